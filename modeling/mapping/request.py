"""What somebody asks for who wants a map. Plain values; no torch, no I/O."""

from dataclasses import dataclass, field
from pathlib import Path

from data.stacks.stack import Stack
from modeling.mapping.smoothing import Smoothing


@dataclass(frozen=True)
class Request:
    """A map that is to be made.

    run: a finished run. stack: folder of the season stack, or whatever else `data.stacks.opening.open_stack` takes; or the stack.
    out: the map's folder; by default <home>/maps/<name>. name: what the workspace calls it; by default of the run and the stack.
    title: for people; by default the model and the stack.
    inventory: an inventory raster that the map is held against; empty for none. fields: a file of polygons; empty for none.
    workers: processes on this machine; 0 = as many as it has processors for this one. scheduler: address of a Dask scheduler instead.
    tile: side in pixels of what a worker does at once; 0 = what suits the stack. Nothing in the map depends on these three.
    device: cpu, cuda or auto.
    """

    run: str
    stack: str | Stack
    out: Path | None = None
    name: str = ""
    title: str = ""
    inventory: str = ""
    fields: str = ""
    smoothing: Smoothing = field(default_factory=Smoothing)
    workers: int = 0
    scheduler: str = ""
    tile: int = 0
    device: str = "cpu"
