"""An export as a folder that is there whole or not at all, and that says which dataset version it holds."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data.command import Tell
from data.errors import BadInput
from data.exports import formats
from data.exports.source import Source, open_source
from data.report import Report
from data.schema import migrations
from data.versions import resolve
from data.workspace import Workspace

NAMED = "VERSION.json"  # the file of an export that says what it is
IDENTITY = ("version", "content_hash", "format", "split", "only")  # what its bytes depend on


@dataclass(frozen=True)
class Exported:
    """An export that stands at `to`.

    made: False where the same one was there already, whole.
    samples: how many it holds; files, bytes: of the folder.
    """

    to: Path
    format: str
    version: str
    made: bool
    samples: int
    files: int
    bytes: int


def export(
    workspace: Workspace, collection: str, to: Path, format: str, *, report: Report, tell: Tell = lambda done, total, what: None,
    version: str | None = None, split: str | None = None, only: str = "all", overwrite: bool = False,
) -> Exported:  # fmt: skip
    """Write a collection at a version into the folder `to`.

    The same version, format, split and choice of samples make the same bytes. What is written lies beside `to` under a hidden name
    until it is whole; what a killed export left there is cleared by the next one.

    Args:
        format: a name of `formats.FORMATS`.
        version, split, only: see `open_source`.
        overwrite: whether another export at `to` may be replaced. What is no export is never touched.
        report: is filled with what was left out.

    Raises:
        UnknownCollection: there is none of that name.
        BadInput: there is no such format, version or split, or the folder holds something else.
    """
    wanted = formats.named(format)
    source = open_source(workspace, collection, version=version, split=split, only=only)
    to = to.expanduser().resolve()
    facts = _facts(source, format)
    found = _named(to)
    if found is not None and _same(found, facts):
        report.done = found["samples"]
        return _exported(to, found, made=False)
    _check_free(to, found, str(source.version), overwrite)
    try:
        with _claimed(to) as partial:
            wanted.writer()(source, partial, report, tell)
            _check_made(source, report)
            facts |= {"samples": report.done, "left_out": len(report.left_out)}
            (partial / NAMED).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            _put(partial, to)
    except OSError as error:
        raise BadInput(f"The export cannot be written to {to}: {error}. Give a folder that is writable, on a disk with room.") from error
    return _exported(to, facts, made=True)


def _facts(source: Source, format: str) -> dict:
    """What names an export, and what its reader must know."""
    collection, version = source.collection, source.version
    with source.workspace.store.reading() as db:
        schema = migrations.applied(db)[-1].name
    return {
        "collection": collection.name, "title": collection.title, "version": str(version), "event": version.event,
        "content_hash": version.hash, "format": format, "split": source.split, "only": source.only, "simulated": collection.simulated,
        "licence": collection.licence, "attribution": collection.attribution, "bands": list(collection.bands),
        "level": collection.level, "schema": schema,
    }  # fmt: skip


def _check_made(source: Source, report: Report) -> None:
    """Samples that were added and inventories that were read while the export was written would make it say what it does not hold."""
    resolve(source.workspace.store, source.collection.name, str(source.version))
    if not report.done:
        fact = report.left_out[0].fact if report.left_out else "It has no samples."
        raise BadInput(f"No sample of {source.version} could be exported. {fact}")


def _named(to: Path) -> dict | None:
    """What the export at `to` says it is; None where there is none."""
    try:
        found = json.loads((to / NAMED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {"version", "format", "samples", "left_out"} <= found.keys() else None


def _same(found: dict, facts: dict) -> bool:
    """Whether `found` is the export of `facts`, with nothing left out: another try might find what was missing."""
    return not found["left_out"] and all(found.get(key) == facts[key] for key in IDENTITY)


def _check_free(to: Path, found: dict | None, version: str, overwrite: bool) -> None:
    if found is None:
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise BadInput(f"{to} is there already and is no export of Cropcheck, so it is left alone. Give a new or an empty folder.")
    elif not overwrite and not (found["left_out"] and found["version"] == version):
        raise BadInput(
            f"{to} holds the export {found['version']} as {found['format']}. "
            "Give another folder, or --overwrite to replace it."
        )  # fmt: skip


@contextmanager
def _claimed(to: Path) -> Iterator[Path]:
    """An empty folder beside `to`, owned by this process; gone afterwards unless it was put in place."""
    partial = to.with_name(f".{to.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    held = os.open(partial, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"Another export is being written to {to}. Wait for it, or give another folder.") from None
        _clear(partial)
        try:
            yield partial
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    finally:
        os.close(held)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _put(partial: Path, to: Path) -> None:
    """Rename `partial` to `to`; an export that is there gives way when the new one is whole."""
    replaced = to.with_name(f".{to.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if _named(to) is not None:
        to.rename(replaced)
    partial.rename(to)
    shutil.rmtree(replaced, ignore_errors=True)


def _exported(to: Path, facts: dict, *, made: bool) -> Exported:
    files = [path for path in to.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return Exported(to, facts["format"], facts["version"], made, facts["samples"], len(files), size)
