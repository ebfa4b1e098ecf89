"""A folder as one zip file, for a download through the browser."""

import tempfile
import zipfile
from io import RawIOBase
from pathlib import Path


def size(folder: Path) -> int:
    """Bytes of all files below a folder; 0 where there is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def zipped(folder: Path) -> RawIOBase:
    """The folder's files in a zip, their names beginning with the folder's, in a temporary file that is gone when it is closed."""
    packed = tempfile.TemporaryFile()  # noqa: SIM115 - the caller reads and closes it
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, Path(folder.name) / path.relative_to(folder))
    packed.seek(0)
    return packed.detach()
