"""What a command ended with, as pages show it: its figures, and what it left out or kept with a remark."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import streamlit as st

from data import packing
from data.exports.formats import FORMATS
from data.report import SHOWN

RESULTS = {"left_out": "left out", "remarks": "kept"}
SHOWN_FIGURES = 6
LARGEST_DOWNLOAD = 200e6  # bytes that may pass through the server's memory


def figures(said: dict) -> None:
    """The single numbers among the figures, its version, and what was written where."""
    numbers = {key: value for key, value in said.items() if isinstance(value, (int, float)) and not isinstance(value, bool)}
    if numbers:
        with st.container(horizontal=True):
            for key, value in list(numbers.items())[:SHOWN_FIGURES]:
                st.metric(_spelled(key), f"{value:,}" if isinstance(value, int) else f"{value:,.1f}", width="content")
    if "version" in said:
        st.caption(f"Dataset version `{said['version']}`")
    for made in said.get("exports", []):
        _export(made)


def _export(made: dict) -> None:
    """Where an export lies, and the way to take it along."""
    folder, title = Path(made["to"]), FORMATS[made["format"]].title
    facts = f"{made['samples']:,} samples, {made['files']:,} files, {size(made['bytes'])}"
    with st.container(border=True):
        st.markdown(f"**{title}** · {facts}")
        st.code(str(folder), language=None, wrap_lines=True)
        if not folder.is_dir():
            st.caption("The folder was moved or removed.")
        elif packing.size(folder) > LARGEST_DOWNLOAD:
            st.caption(f"Too large to send through the browser (over {size(LARGEST_DOWNLOAD)}): take it from the folder.")
        else:
            st.download_button(
                "Download (zip)", lambda: packing.zipped(folder), f"{folder.name}.zip", "application/zip",
                key=f"report.zip.{made['format']}", icon=":material/download:", on_click="ignore",
            )  # fmt: skip


def size(number: float) -> str:
    """Bytes for people."""
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= one:
            return f"{number / one:,.1f} {unit}"
    return f"{number:.0f} bytes"


def problems(said: dict, name: str, *, key: str) -> None:
    """A table of the report's kinds with the first names of each, and all of them as a file; nothing where all went well.

    Args:
        said: a report as its JSON has it.
        name: of the file.
    """
    kinds = [(result, kind, found) for result in RESULTS for kind, found in said.get(result, {}).items()]
    if not kinds:
        return
    st.dataframe(
        [{"Result": RESULTS[result], "What": kind, "Count": found["count"], "Which": _first(found)} for result, kind, found in kinds],
        hide_index=True, key=f"{key}.problems",
        column_config={
            "Result": st.column_config.TextColumn(width=70), "What": st.column_config.TextColumn(width=230),
            "Count": st.column_config.NumberColumn(width=60, format="localized"),
        },
    )  # fmt: skip
    st.download_button(
        "The whole list (CSV)", as_csv(said), f"{name}.csv", "text/csv", key=f"{key}.csv", icon=":material/download:", on_click="ignore"
    )


def as_csv(said: dict) -> str:
    """The report as a table of result, what, name and fact: a line a problem."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("result", "what", "name", "fact"))
    writer.writerows(_lines(said))
    return text.getvalue()


def _lines(said: dict) -> Iterator[tuple[str, str, str, str]]:
    for result, word in RESULTS.items():
        for kind, found in said.get(result, {}).items():
            for name, fact in zip(found["names"], found["facts"], strict=True):
                yield word, kind, name, fact


def _first(found: dict) -> str:
    pairs = list(zip(found["names"], found["facts"], strict=True))[:SHOWN]
    more = f" and {found['count'] - SHOWN:,} more" if found["count"] > SHOWN else ""
    return "; ".join(f"{name} ({fact})" if fact else name for name, fact in pairs) + more


def _spelled(key: str) -> str:
    return key.replace("_", " ").capitalize()
