"""Files of one band each as one raster: a virtual raster (VRT) that is kept, because stacks and maps name it."""

import hashlib
import os
from pathlib import Path
from xml.etree import ElementTree

import rasterio
import rasterio.shutil

from data.errors import BadInput


def join(files: dict[str, Path], folder: Path) -> Path:
    """Write a VRT whose bands are the files', in their order.

    Args:
        files: band -> absolute path of a raster of one band; all on one grid.
        folder: where it is written, under a name that follows from the paths: the same files give the same VRT.

    Raises:
        BadInput: the folder cannot be written.
    """
    paths = "\n".join(f"{band} {path}" for band, path in files.items())
    target = folder / f"{hashlib.sha256(paths.encode()).hexdigest()[:16]}.vrt"
    partial = target.with_suffix(f".{os.getpid()}.partial")
    whole = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, (band, path) in enumerate(files.items(), start=1):
            rasterio.shutil.copy(path, partial, driver="VRT")
            tree = ElementTree.parse(partial)
            entry = tree.getroot().find("VRTRasterBand")
            entry.set("band", str(number))
            _describe(entry, band, path)
            if whole is None:
                whole = tree
            else:
                whole.getroot().append(entry)
        whole.write(partial)
        partial.replace(target)
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written ({error.strerror}): files of one date are put together there. Make room for it."
        ) from error
    return target


def _describe(entry: ElementTree.Element, band: str, path: Path) -> None:
    for old in entry.findall("Description"):
        entry.remove(old)
    description = ElementTree.Element("Description")
    description.text = band
    entry.insert(0, description)
    for name in entry.iter("SourceFilename"):
        name.text, name.attrib["relativeToVRT"] = str(path), "0"
