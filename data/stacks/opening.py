"""Opening a season stack: from a folder of GeoTIFFs with a file a date, or a file a band and date; or from a stack.json.

Everything that would give wrong pixels later is found here: dates twice, files of different grids, bands that differ, values that are
no reflectance, files that are cut short.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import rasterio
from rasterio.errors import RasterioError

from data import seasons
from data import workspace as workspaces
from data.errors import BadInput
from data.importers import described, geotiff
from data.importers.described import Options
from data.report import Report
from data.stacks import headers, joining, soundness
from data.stacks.headers import File
from data.stacks.stack import Layer, Stack, from_json

FILE = "stack.json"  # of a stack that was made by `data.stacks.output`, written last
REQUEST = "work/request.json"  # what it is made of, written first
RASTERS = (".tif", ".tiff")
SHOWN = 5  # names in a message


def open_stack(
    source: Path | str, *, bands: tuple[str, ...] | None = None, level: str | None = None, scale: float | None = None,
    offset: float | None = None, nodata: float | None = None, report: Report | None = None, joined: Path | None = None,
) -> Stack:  # fmt: skip
    """The season stack in a folder or described by a file.

    Args:
        source: a folder of GeoTIFFs, a date (YYYY-MM-DD, YYYYMMDD, YYYY-MM, YYYYMM) in each name or in its tags acquired, month or
            TIFFTAG_DATETIME; several files of a date only where each holds one band, named by its description or in the file's name.
            Or a JSON file of `Stack.as_json`; relative paths in it count from its folder.
        bands: the files' bands in their order, where these do not name them.
        level: L1C or L2A, where the tags do not tell.
        scale, offset, nodata: overrule what the files say; see `Stack`.
        report: hears of files that are no layers and were left out.
        joined: folder for the virtual rasters that put files of one date together; by default in the workspace.

    Raises:
        BadInput: there is no stack there, or it cannot be used; the text names the files and says the way out.
    """
    options = Options("", bands=bands, level=level, scale=scale, nodata=nodata)
    path = Path(source).expanduser().resolve()
    if path.suffix.lower() == ".json" and path.is_file():
        stack = _described(path, options)
    else:
        files = layers(path, options, Report() if report is None else report)
        stack = _stack(path, files, options, joined or workspaces.current().home / "stacks" / "joined")
    if offset is not None:
        stack = replace(stack, offset=offset)
    soundness.verify(stack)
    return stack


def _rasters(folder: Path) -> list[Path]:
    try:
        return _found(folder)
    except OSError as error:
        raise BadInput(f"{error.filename} cannot be looked into: {error.strerror}. Name a folder that Cropcheck may read.") from error


def _found(folder: Path) -> list[Path]:
    if not folder.is_dir():
        what = "is a file, not a folder of GeoTIFFs" if folder.exists() else "is not there"
        raise BadInput(f"{folder} {what}. Name a folder of GeoTIFFs, a file a date, or a {FILE}.")
    if (folder / REQUEST).exists() and not (folder / FILE).exists():
        raise BadInput(f"The stack in {folder} is not finished. Run the command that makes it again: it goes on where it stopped.")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in RASTERS and path.is_file())
    if not found:
        inside = [path.name for path in sorted(folder.iterdir()) if path.is_dir() and any(map(_is_raster, path.iterdir()))]
        hint = f" Its folders {listed(inside)} have some: name one of them." if inside else " Name the folder that holds a file a date."
        raise BadInput(f"There are no GeoTIFFs in {folder}.{hint}")
    return found


def _is_raster(path: Path) -> bool:
    return path.suffix.lower() in RASTERS


# Which files are layers


def layers(folder: Path, options: Options, report: Report, *, masks: bool = False) -> list[File]:
    """The GeoTIFFs of a folder that are layers, their bands named; what clearly is none is remarked on.

    Args:
        masks: whether files may mark missing pixels by a mask; `Stack.read` does not look at masks.

    Raises:
        BadInput: there is none, or one has no date or no names of bands; or as `headers.read` says.
    """
    files = [headers.read(file, options, masks=masks) for file in _rasters(folder)]
    given = described.band_names(options.bands) if options.bands else ()
    named = any(file.header.bands for file in files if file.date)
    kept = []
    for file in (_with_bands(file, given) for file in files):
        why = _no_layer(file, named)
        if why:
            report.remark("files that are no layers", file.path.name, why)
        elif not file.header.bands and given:
            raise BadInput(f"{file.path.name} has {file.header.count} bands, but {len(given)} are named: {', '.join(given)}. Name as many.")
        elif not file.header.bands:
            raise BadInput(f"{file.path.name} does not name its bands. Say them in their order, as in --bands B02,B03,B04,B08.")
        elif not file.date:
            raise BadInput(f"{file.path.name} has no date in its name or tags. Name it as in field_2021-06-15.tif, or take it away.")
        else:
            kept.append(file)
    if not kept:
        raise BadInput(
            f"None of the {len(files)} GeoTIFFs in {folder} is a layer: {report.remarks[-1].fact}. Name each by its date, as in "
            "field_2021-06-15.tif, and its bands."
        )
    return kept


def _with_bands(file: File, given: tuple[str, ...]) -> File:
    if file.header.bands or not given or not file.date or len(given) != file.header.count or any(file.others):
        return file
    return replace(file, others=(), header=replace(file.header, bands={band: at for at, band in enumerate(given, start=1)}))


def _no_layer(file: File, named: bool) -> str:
    """Why a file clearly is none: it names other things than bands, or is one band of small numbers beside files that name theirs."""
    if file.header.bands:
        return ""
    if any(file.others):
        return f"its bands are {listed(filter(None, file.others))}, none of Sentinel-2's"
    if not file.date:
        return "it has neither a date nor names of bands"
    return "it has one band of 8 bits without a name" if named and file.header.count == 1 and file.dtype == "uint8" else ""


# Putting the stack together


def _stack(folder: Path, files: list[File], options: Options, joined: Path) -> Stack:
    one_grid(folder, files)
    scale, offset = agreed("scale and offset", [(file, (file.scale, file.offset)) for file in files], "--scale", folder)
    nodata = agreed("no-data value", [(file, file.nodata) for file in files], "--nodata", folder)
    level = options.level or agreed("level", [(file, file.level) for file in files if file.level], "--level", folder) or ""
    dates: dict[object, list[File]] = defaultdict(list)
    for file in files:
        dates[seasons.when(file.date)].append(file)
    layers = [_layer(dates[day], joined) for day in sorted(dates)]
    bands = same_bands(layers)
    first = files[0].header
    return Stack(
        str(folder),
        tuple(Layer(name, str(path), tuple(own[band] for band in bands)) for name, path, own in layers),
        bands, first.crs, first.transform, first.height, first.width, level.upper(), scale, offset, nodata,
        any(file.simulated for file in files),
    )  # fmt: skip


def _layer(files: list[File], joined: Path) -> tuple[str, Path, dict[str, int]]:
    """Name, path and bands (name -> number) of a date, of which there may be a file a band."""
    if len(files) == 1:
        return files[0].date, files[0].path, files[0].header.bands
    names = [next(iter(file.header.bands)) for file in files]
    if any(file.header.count > 1 for file in files) or len(set(names)) < len(names):
        raise BadInput(
            f"{len(files)} files are of {files[0].date}: {listed(file.path.name for file in files)}. Keep one file a date, or one a band "
            "and date; put tiles that lie side by side together first, as with: rio merge"
        )
    by_band = {described.L1C_BANDS.index(name): file.path for name, file in zip(names, files, strict=True)}
    ordered = {described.L1C_BANDS[at]: by_band[at] for at in sorted(by_band)}
    return files[0].date, joining.join(ordered, joined), {band: at for at, band in enumerate(ordered, start=1)}


def same_bands(layers: list[tuple[str, Path, dict[str, int]]]) -> tuple[str, ...]:
    usual = Counter(tuple(sorted(own)) for _, _, own in layers).most_common(1)[0][0]
    odd = [f"{path.name} ({name}) has {', '.join(own)}" for name, path, own in layers if tuple(sorted(own)) != usual]
    if odd:
        raise BadInput(
            f"Not all dates have the bands {', '.join(usual)}: {'; '.join(odd[:SHOWN])}. Give every date the same bands, or take these "
            "files away."
        )
    return tuple(next(own for _, _, own in layers if tuple(sorted(own)) == usual))


def one_grid(folder: Path, files: list[File]) -> None:
    kinds: list[list[File]] = []
    for file in files:
        kind = next((kind for kind in kinds if _same_grid(kind[0], file)), None)
        kinds.append([file]) if kind is None else kind.append(file)
    if len(kinds) == 1:
        return
    usual, *odd = sorted(kinds, key=len, reverse=True)
    described_ = "; ".join(f"{listed(file.path.name for file in kind)}: {_grid(kind[0])}" for kind in odd[:SHOWN])
    raise BadInput(
        f"The files in {folder} lie on different grids. {len(usual)} as {usual[0].path.name}: {_grid(usual[0])}; but {described_}. "
        f"Bring all onto one: python -m data stack {folder} --out DIR --like {usual[0].path}"
    )


def _same_grid(one: File, other: File) -> bool:
    sizes = [(file.header.height, file.header.width) for file in (one, other)]
    return sizes[0] == sizes[1] and geotiff.same_grid(one.header, other.header)


def _grid(file: File) -> str:
    header = file.header
    crs = header.crs if len(header.crs) < 20 else header.crs[:20] + "..."
    step, left, top = header.transform[0], header.transform[2], header.transform[5]
    return f"{crs}, {header.width} x {header.height} px of {step:g} from {left:.10g}, {top:.10g}"


def agreed(what: str, told: list[tuple[File, object]], option: str, folder: Path):
    """What all files say; None where none says anything."""
    values = dict.fromkeys(value for _, value in told)
    if len(values) > 1:
        one, other = list(values)[:2]
        names = [next(file.path.name for file, value in told if value == wanted) for wanted in (one, other)]
        raise BadInput(
            f"The files in {folder} differ in {what}: {names[0]} has {one}, {names[1]} has {other}. If they are the same in truth, say so "
            f"with {option}; else write them anew: python -m data stack {folder} --out DIR"
        )
    return next(iter(values), None)


# From a description


def _described(path: Path, options: Options) -> Stack:
    try:
        stack = from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} does not describe a stack ({error!r}). Make it anew, or name the folder of GeoTIFFs itself.") from error
    layers = tuple(replace(layer, path=str(path.parent / layer.path)) for layer in stack.layers)
    told = {key: value for key in ("level", "scale", "nodata") if (value := getattr(options, key)) is not None}
    stack = replace(stack, layers=layers, **told)
    for layer in layers:
        _fits(stack, layer)
    return stack


def _fits(stack: Stack, layer: Layer) -> None:
    try:
        with rasterio.open(layer.path) as raster:
            fits = raster.shape == (stack.height, stack.width) and raster.transform.almost_equals(stack.affine, geotiff.SAME_GRID)
            fits = fits and raster.count >= max(layer.bands)
            soundness.complete(raster)
    except RasterioError as error:
        raise BadInput(f"The stack's layer {layer.name} cannot be opened: {error}. Make the stack anew.") from error
    if not fits:
        raise BadInput(f"{layer.path} is not on the stack's grid or lacks bands: it was changed since. Make the stack anew.")


def listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
