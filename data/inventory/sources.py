"""What people give as an inventory -> open Rasters and Layers: files, zips (unpacked with care), and URLs."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from data.archives import Archive
from data.errors import BadInput
from data.inventory import polygons, rasters
from data.inventory.legends import ACI, FILE, Book
from data.inventory.polygons import Layer
from data.inventory.rasters import Raster
from data.report import Report

RASTERS = (".tif", ".tiff", ".img")
LIMIT = 32 * 2**30  # bytes that a zip may unpack to, or a server may send: the whole of Canada at 30 m is 22 GB unpacked
SECONDS = 60  # that a server may be silent
YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


@dataclass(frozen=True)
class Options:
    """How sources are to be read.

    year: of all sources; None = as their file names say.
    column: of polygon layers, that holds the class.
    no_label: codes that are no label, besides 0 (and 10 in Canada's inventory).
    """

    year: int | None = None
    column: str | None = None
    no_label: frozenset[int] = frozenset()


def open_all(
    texts: Sequence[str], folder: Path, options: Options, book: Book, area: tuple[float, float, float, float], report: Report
) -> dict[int, list[Raster | Layer]]:
    """Open inventories. Those that cannot be are reported, and the rest is used.

    Args:
        texts: paths or http(s) URLs of rasters, polygon layers, or zips of them.
        folder: for what is unpacked and fetched.
        area: west, south, east, north of the samples, EPSG:4326.

    Returns:
        year -> its sources, in the order given.

    Raises:
        BadInput: none of them can be used.
    """
    found: dict[int, list[Raster | Layer]] = {}
    for number, text in enumerate(texts):
        try:
            for source in _open(text, folder / str(number), options, book, area, report):
                found.setdefault(source.year, []).append(source)
        except BadInput as error:
            if len(texts) == 1:
                raise
            report.leave_out("inventories that cannot be used", _shown(text), str(error))
    if not found:
        raise BadInput(f"None of the {len(texts)} inventories can be used. {report.text()}")
    return found


def year_of(name: str) -> int | None:
    """The year in a file's name, as in aci_2019_qc.tif; None where it has none, or several."""
    years = set(YEAR.findall(name))
    return int(years.pop()) if len(years) == 1 else None


def _open(text: str, folder: Path, options: Options, book: Book, area: tuple, report: Report) -> list[Raster | Layer]:
    name = unquote(urlsplit(text).path if _is_url(text) else text).rstrip("/").split("/")[-1]
    suffix = Path(name).suffix.lower()
    year = options.year or year_of(name)
    if _is_url(text) and suffix in RASTERS:
        return [_raster_at(text, name, year, options, book)]
    folder.mkdir(parents=True)
    path = _fetched(text, folder / name) if _is_url(text) else Path(text)
    if not path.exists():
        raise BadInput(f"There is no file {text}. Give an inventory raster, a polygon layer, a zip of one, or its URL.")
    if suffix != ".zip":
        return [_from_file(path, name, year, options, book, area, report)]
    inside = _unpacked(path, folder / "unpacked")
    return [_from_file(one, one.name, options.year or year_of(one.name) or year, options, book, area, report) for one in inside]


def _is_url(text: str) -> bool:
    return urlsplit(text).scheme in ("http", "https")


def _shown(text: str) -> str:
    """A source as it may be printed: an address without what may be a key."""
    return text.split("?", maxsplit=1)[0] if _is_url(text) else text


def _dated(name: str, year: int | None) -> int:
    if year is None:
        raise BadInput(f"The name of {name} does not say its year (or says several). Give it with --year.")
    return year


def _from_file(path: Path, name: str, year: int | None, options: Options, book: Book, area: tuple, report: Report) -> Raster | Layer:
    if path.suffix.lower() not in polygons.SUFFIXES:
        return _raster(path, name, year, options, book)
    is_aci = book.bare and book.csv is None and book.choice != FILE
    return polygons.open_layer(
        path, options.column, partial(_codes, book, report, name), name=name, year=_dated(name, year), area=area,
        no_label=options.no_label | (rasters.NO_LABEL_ACI if is_aci else rasters.NO_LABEL), is_aci=is_aci,
    )  # fmt: skip


def _codes(book: Book, report: Report, name: str, texts: Counter[str]) -> dict[str, int]:
    return book.codes(texts, report, name)


def _raster(path: str | Path, name: str, year: int | None, options: Options, book: Book) -> Raster:
    no_label = rasters.NO_LABEL_ACI if book.choice == ACI else None
    return rasters.open_raster(path, name=name, year=_dated(name, year), no_label=no_label, besides=options.no_label)


def _raster_at(url: str, name: str, year: int | None, options: Options, book: Book) -> Raster:
    try:
        return _raster(f"/vsicurl/{url}", name, year, options, book)
    except BadInput:
        with _answer(url) as answer:
            _check_page(url, answer.read(512))
        raise


def _answer(url: str):
    try:
        return urlopen(url, timeout=SECONDS)
    except (URLError, OSError, ValueError) as error:
        raise BadInput(f"{_shown(url)} cannot be fetched: {error}. Check the address, or fetch the file and give its path.") from error


def _check_page(url: str, start: bytes) -> None:
    if start.lstrip()[:1] == b"<" and b"html" in start.lower():
        raise BadInput(
            f"{_shown(url)} answers with a web page (HTML), not with a file. Give the file's own address; you may have to log in there."
        )


def _fetched(url: str, path: Path) -> Path:
    """Fetch a file that is not read in pieces."""
    with _answer(url) as answer, path.open("wb") as file:
        try:
            while piece := answer.read(2**20):
                if not file.tell():
                    _check_page(url, piece[:512])
                file.write(piece)
                if file.tell() > LIMIT:
                    raise BadInput(f"{_shown(url)} sends more than {LIMIT:,} bytes. Fetch the part that you need, and give its path.")
        except OSError as error:
            raise BadInput(f"{_shown(url)} broke off after {file.tell():,} bytes: {error}. Run the command again.") from error
        declared = answer.headers.get("Content-Length")
        if declared and int(declared) != file.tell():
            raise BadInput(f"{_shown(url)} broke off after {file.tell():,} of {int(declared):,} bytes. Run the command again.")
    return path


def _unpacked(path: Path, folder: Path) -> list[Path]:
    """The inventories in a zip, unpacked with what lies beside them.

    Raises:
        BadInput: damaged, climbing out, too large, or without an inventory.
    """
    with Archive(path, LIMIT) as archive:
        try:
            for name in archive.names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                archive.copy(name, folder / name)
        except OSError as error:
            raise BadInput(f"{path.name} cannot be unpacked: {error}. Unpack it yourself, and give the raster's path.") from error
        for suffixes in (RASTERS, polygons.SUFFIXES):
            if wanted := [folder / name for name in archive.names if Path(name).suffix.lower() in suffixes]:
                return wanted
        held = ", ".join(archive.names[:5]) or "nothing"
        raise BadInput(f"{path.name} holds no GeoTIFF and no polygon layer, but {held}. Give the zip of the inventory.")
