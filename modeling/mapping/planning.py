"""What a map is made of, worked out and written down before the work begins; and the folder that it goes into, claimed and checked."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain, count
from pathlib import Path

import rasterio
from rasterio.errors import RasterioError

from data.errors import BadInput, CannotMap
from data.inventory import rasters as inventories
from data.mapped import folder
from data.mapped.folder import Map
from data.report import Report
from data.stacks.stack import Stack
from data.workspace import Workspace
from modeling.mapping import checks, tiles
from modeling.mapping.checks import Trained
from modeling.mapping.engine import ATOM
from modeling.mapping.request import Request
from modeling.mapping.tiles import Tile, Work

PLAN, WORK = "plan.json", "work"
TILE = 512  # pixels of a side, where nothing is said
TILE_BYTES = 2**26  # of a stack's pixels that a tile may have; two of them are in memory in each worker
SPARE_BYTES = 2**26  # that the disk must keep


@dataclass(frozen=True)
class Plan:
    """All that decides a map, worked out. digest: the same for the same map. shape: height and width of its tiles."""

    run: Trained
    stack: Stack
    work: Work
    out: Path
    name: str
    title: str
    shape: tuple[int, int]
    digest: str
    asked: dict
    fields: str

    @property
    def tiles(self) -> list[Tile]:
        return tiles.grid(self.stack.height, self.stack.width, *self.shape)


def planned(workspace: Workspace, request: Request, remarks: Report) -> Plan:
    run = checks.trained(workspace, request.run)
    whole = _opened(request.stack)
    stack = checks.layers(workspace, run, whole, remarks)
    request.smoothing.check()
    inventory = inventories.open_raster(request.inventory) if request.inventory else None
    if request.fields and not Path(request.fields).exists():
        raise BadInput(f"There is no file {request.fields}. Give a file of polygons, as GeoPackage or GeoJSON.")
    out, name = _place(workspace, request, f"{run.run}-{_called(whole)}")
    asked = {
        "run": run.run, "checkpoint": _hash(run.checkpoint), "stack": _print_of(stack), "atom": ATOM,
        "smoothing": asdict(request.smoothing), "inventory": _stamp(request.inventory), "fields": _stamp(request.fields),
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    work = Work(
        str(run.checkpoint), run.checkpoint.stat().st_mtime_ns, run.bands, request.device, stack, out / WORK, len(run.classes),
        run.positions, inventory, request.smoothing,
    )  # fmt: skip
    return Plan(
        run,
        stack,
        work,
        out,
        name,
        request.title or f"{run.config.model}, {_called(stack)}",
        _shape(request, out, run, stack),
        digest,
        asked,
        request.fields,
    )


def _place(workspace: Workspace, request: Request, default: str) -> tuple[Path, str]:
    """The map's folder, and what the workspace calls it: as asked, else as the folder, with a number where another map has that name."""
    given = Path(os.path.abspath(request.out.expanduser())) if request.out else None
    name = request.name or (given.name if given else default)
    if Path(name).name != name or name == ".." or not name.isprintable():
        raise BadInput(f"A map cannot be called {name!r}. Give a --name that is a folder's, without any / in it.")
    out = given or Path(os.path.abspath(workspace.maps / name))
    tries = (workspace.maps / one for one in chain([name], (f"{name}-{number}" for number in count(2))))
    known = next(path for path in tries if not path.exists() or path.resolve() == out.resolve())
    if request.name and known.name != name:
        raise BadInput(f"The workspace has another map {name} already, in {(known.parent / name).resolve()}. Give this one another --name.")
    return out, known.name


def _opened(stack: str | Stack) -> Stack:
    if isinstance(stack, Stack):
        return stack
    from data.stacks.opening import open_stack

    return open_stack(stack)


def _called(stack: Stack) -> str:
    """The name of a stack's folder."""
    source = Path(stack.source)
    return (source.stem if source.is_file() else source.name if source.is_dir() else Path(stack.layers[0].path).parent.name) or "stack"


def _shape(request: Request, out: Path, run: Trained, stack: Stack) -> tuple[int, int]:
    """Height and width of tiles, in whole atoms: of those that are there already; else as asked; else what suits the stack."""
    try:
        tall, wide = json.loads((out / PLAN).read_text())["tile"]
        return tall, wide
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{out / PLAN} is damaged: {error}. Remove the folder {out}, and make the map again.") from error
    if request.tile:
        if request.tile < ATOM:
            raise BadInput(f"Tiles of {request.tile} pixels are too small. Give at least {ATOM}.")
        return (request.tile // ATOM * ATOM,) * 2
    return _suited(len(stack.layers) * len(run.bands) * 2, stack)


def _suited(bytes_a_pixel: int, stack: Stack) -> tuple[int, int]:
    """What a worker's memory takes: squares, or where files are stored in strips over their whole width, strips, to read each once."""
    side = TILE
    while side > ATOM and side * side * bytes_a_pixel > TILE_BYTES:
        side //= 2
    if stack.width <= side or not any(_in_strips(layer.path) for layer in stack.layers):
        return side, side
    wide = -(-stack.width // ATOM) * ATOM
    return max(1, side * side // wide // ATOM) * ATOM, wide


def _in_strips(path: str) -> bool:
    """Whether a file is stored in pieces of its whole width. One that cannot be opened is named when it is read."""
    try:
        with rasterio.open(path) as file:
            return file.block_shapes[0][1] >= file.width
    except RasterioError:
        return False


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: str) -> list:
    """What tells a file from another, or from itself before a change; of what is no file its name."""
    if not path or not Path(path).exists():
        return [path]
    stat = Path(path).stat()
    return [str(Path(path).absolute()), stat.st_size, stat.st_mtime_ns]


def _print_of(stack: Stack) -> dict:
    """What decides the pixels of a stack."""
    content = stack.as_json()
    content.pop("source")
    return content | {"files": [_stamp(layer.path) for layer in stack.layers]}


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Nobody else works in the folder meanwhile; the lock goes with the process."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        held = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise BadInput(f"The folder {path} cannot be written: {error.strerror}. Give another --out.") from error
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotMap(f"Another process is making a map in {path}. Wait for it, or give another --out.") from None
        yield
    finally:
        os.close(held)


def there(plan: Plan) -> Map:
    """The finished map in the folder, if it is the one that is asked for."""
    made = folder.load(plan.out)
    if made.settings.get("plan") != plan.digest:
        raise BadInput(
            f"{plan.out} holds the finished map {made.name}, of the run {made.run} with other settings or pixels. Give another --out, or "
            "remove the folder first."
        )
    return made


def begin(plan: Plan) -> None:
    """Write down what is asked for, or see that it is what was asked before."""
    note = plan.out / PLAN
    partial = note.with_suffix(".partial")  # which a kill may have left
    if note.exists():
        if json.loads(note.read_text())["digest"] != plan.digest:
            raise BadInput(
                f"{plan.out} holds an unfinished map that was asked for otherwise: another run, stack, smoothing, inventory or fields, or "
                "files that have changed since. Repeat the first request, give another --out, or remove the folder."
            )
    elif any(path != partial for path in plan.out.iterdir()):
        raise BadInput(f"{plan.out} is not empty, and what it holds is no map. Give a new or an empty folder.")
    else:
        _check_disk(plan)
        partial.write_text(json.dumps({"digest": plan.digest, "tile": plan.shape} | plan.asked, indent=1))
        partial.replace(note)
    plan.work.folder.mkdir(exist_ok=True)


def clear(plan: Plan) -> None:
    """Take away what a finished map needs no more, where a kill has not let that happen before, too."""
    if plan.work.folder.exists():
        shutil.rmtree(plan.work.folder)
    (plan.out / PLAN).unlink(missing_ok=True)


def _check_disk(plan: Plan) -> None:
    """Refuse what would fill the disk halfway."""
    classes, inventory = len(plan.run.classes), plan.work.inventory is not None
    of_pixel = 12 + 2 * classes + 3 * inventory + (4 * classes if plan.work.halo else 0)  # tiles
    of_pixel += 10 + 2 * classes + 2 * inventory  # rasters, before they are packed
    wanted, free = plan.stack.height * plan.stack.width * of_pixel + SPARE_BYTES, shutil.disk_usage(plan.out).free
    if wanted > free:
        raise BadInput(
            f"The map takes up to {wanted / 1e9:.2f} GB while it is made; {free / 1e9:.2f} GB are free at {plan.out}. Free some space, or "
            "give an --out on another disk."
        )
