"""The folder that a stack is made in: a COG a date, its unfinished parts in work/, and stack.json when all is there."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.bands import NO_DATA
from data.errors import BadInput
from data.mapped import cogs
from data.stacks import opening
from data.stacks.stack import Layer, Stack


def write_json(path: Path, content: object) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)


def begin(out: Path, asked: dict) -> Path:
    """Take a folder for a stack, or go on in it.

    Args:
        asked: everything that decides the pixels, JSON-ready.

    Returns:
        out/work, for unfinished parts.

    Raises:
        BadInput: the folder has some of another stack, or GeoTIFFs of somebody's, or cannot be written.
    """
    work, told = out / "work", json.loads(json.dumps(asked, default=str))
    kept = out / opening.REQUEST
    if kept.exists():
        if json.loads(kept.read_text()) == told:
            return work
        if any(path.is_file() and path != kept for path in out.rglob("*")):
            raise BadInput(f"{out} holds a stack that was asked for otherwise. Choose another --out, or remove that folder.")
    if out.exists() and (not out.is_dir() or any(out.glob("*.tif"))):
        raise BadInput(f"{out} has files of its own, and is left alone. Choose another --out for the stack.")
    try:
        work.mkdir(parents=True, exist_ok=True)
        write_json(kept, told)
    except OSError as error:
        raise BadInput(f"{out} cannot be written: {error.strerror}. Choose another --out, or make it writable.") from error
    return work


def finished(out: Path) -> Stack | None:
    """The stack of a folder that is complete, else None."""
    file = out / opening.FILE
    return opening.open_stack(file) if file.exists() else None


def layer(out: Path, stack: Stack, name: str, blocks: Iterable[tuple[int, int, np.ndarray]], tags: dict[str, str]) -> None:
    """Write the COG of a date, unless it is there: uint16 reflectance x 10 000, 0 = no data, bands described.

    Args:
        stack: whose grid, bands and level it has.
    """
    path = out / f"{name}.tif"
    if path.exists():
        return
    cogs.write(
        path, blocks, crs=stack.crs, transform=stack.transform, height=stack.height, width=stack.width, dtype="uint16", nodata=NO_DATA,
        bands=stack.bands,
        tags=tags | {"level": stack.level, "scale": "0.0001", "acquired": name, "simulated": str(stack.simulated).lower()},
    )  # fmt: skip


def finish(out: Path, stack: Stack, names: Iterable[str]) -> Stack:
    """Write stack.json and clear the unfinished parts away; the layers' paths in it count from its folder, so that it can be moved.

    Returns:
        The stack, opened.
    """
    numbers = tuple(range(1, len(stack.bands) + 1))
    complete = replace(stack, layers=tuple(Layer(name, f"{name}.tif", numbers) for name in names))
    write_json(out / opening.FILE, complete.as_json())
    for left_over in (out / "work").iterdir():
        if left_over.suffix != ".json":  # what was asked for, and what it was made of, stay
            left_over.unlink()
    return opening.open_stack(out / opening.FILE)
