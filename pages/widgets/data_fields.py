"""The fields of a command's form: drawn, checked as far as a page can, and turned into a command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from data import uploads
from data.workspace import Workspace


@dataclass(frozen=True)
class Field:
    """An option of a command, or its argument.

    option: as `--collection`; empty for the argument.
    kind: text; list: several words between commas; path: a file or folder of the server, or an address; paths: several, a line each;
        number; choice: one of `choices` (value -> title; the empty value leaves the option out); flag.
    uploads: file name endings that may come in through the browser instead; of path and paths.
    advanced: shown among further options.
    """

    option: str
    label: str
    kind: str = "text"
    help: str = ""
    placeholder: str = ""
    choices: dict[str, str] | None = None
    uploads: tuple[str, ...] = ()
    needed: bool = False
    advanced: bool = False

    def key(self, form: str) -> str:
        return f"{form}.{self.option.lstrip('-') or self.label.lower()}"


def argv(command: str, fields: Sequence[Field], values: dict[str, Any]) -> list[str]:
    """The command line after `python -m data`: the argument behind `--`, then the options that have a value.

    Args:
        values: label of a field -> what was entered; paths as they were typed.
    """
    arguments, options = [], []
    for field in fields:
        for value in _values(field, values.get(field.label)):
            if not field.option:
                arguments.append(value)
            else:
                options += [field.option] if field.kind == "flag" else [f"{field.option}={value}"]
    return [command, *options, "--", *arguments]


def lacking(fields: Sequence[Field], values: dict[str, Any]) -> list[str]:
    """What still has to be entered or mended, a sentence each."""
    wrong = [f"{field.label} is needed." for field in fields if field.needed and not _values(field, values.get(field.label))]
    for field in fields:
        if field.kind in ("path", "paths"):
            wrong += missing(_values(field, values.get(field.label)))
    return wrong


def missing(paths: Sequence[str]) -> list[str]:
    """A sentence for each path that is not there; addresses are not looked up."""
    return [f"There is no {path} on this machine." for path in paths if not is_address(path) and not Path(path).exists()]


def is_address(text: str) -> bool:
    return "://" in text


def draw(workspace: Workspace, form: str, fields: Sequence[Field]) -> dict[str, Any]:
    """Show the fields, the further ones folded away; gives their values by label."""
    values = {field.label: _draw(workspace, form, field) for field in fields if not field.advanced}
    further = [field for field in fields if field.advanced]
    if further:
        with st.expander("More options"):
            columns = st.columns(2)
            for number, field in enumerate(further):
                with columns[number % 2]:
                    values[field.label] = _draw(workspace, form, field)
    return values


def path_field(workspace: Workspace, label: str, key: str, types: Sequence[str], *, help: str = "", placeholder: str = "") -> str:
    """A path on the server, or a file sent through the browser, which then is one."""
    if types:
        _upload(workspace, label, key, types)
    shown = "collapsed" if types else "visible"
    return st.text_input(
        label, key=key, placeholder=placeholder, help=help or None, label_visibility=shown, persist_state="session"
    ).strip()  # fmt: skip


def _upload(workspace: Workspace, label: str, key: str, types: Sequence[str], *, more: bool = False) -> None:
    st.file_uploader(
        label, list(types), key=f"{key}.upload", on_change=_keep, args=(workspace, key, more), label_visibility="collapsed"
    )  # fmt: skip


def _keep(workspace: Workspace, key: str, more: bool) -> None:
    """Keep a file that was sent and enter its path; with `more`, below the paths that are there."""
    sent = st.session_state[f"{key}.upload"]
    if sent is None:
        return
    before = st.session_state.get(key, "").splitlines() if more else []
    st.session_state[key] = "\n".join([*before, str(uploads.keep(workspace, sent.name, sent))])


def _draw(workspace: Workspace, form: str, field: Field) -> Any:
    key, more = field.key(form), {"help": field.help or None, "persist_state": "session"}
    if field.kind == "choice":
        return st.selectbox(field.label, list(field.choices), format_func=field.choices.get, key=key, **more)
    if field.kind == "flag":
        return st.checkbox(field.label, key=key, **more)
    if field.kind == "number":
        return st.number_input(field.label, value=None, key=key, placeholder=field.placeholder, **more)
    if field.kind == "paths":
        if field.uploads:
            _upload(workspace, field.label, key, field.uploads, more=True)
        return st.text_area(field.label, key=key, placeholder=field.placeholder, height=92, **more)
    if field.kind == "path":
        return path_field(workspace, field.label, key, field.uploads, help=field.help, placeholder=field.placeholder)
    return st.text_input(field.label, key=key, placeholder=field.placeholder, **more)


def _values(field: Field, value: Any) -> list[str]:
    """What of a field goes into the command line: none, one, or of `paths` several."""
    if value is None or value is False or value == "":
        return []
    if field.kind == "number":
        return [f"{value:g}"]
    pieces = value.split(",") if field.kind == "list" else str(value).splitlines()
    lines = [piece.strip() for piece in pieces if piece.strip()]
    if field.kind in ("path", "paths"):
        lines = [line if is_address(line) else str(Path(line).expanduser().absolute()) for line in lines]
    return lines
