"""Zip files of others, read with care: no path of theirs is followed, and nothing larger than was agreed is unpacked.

Standard library only.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from data.errors import BadInput

PIECE = 2**20  # bytes copied at once
LIMIT = 8 * 2**30  # bytes that a zip may unpack to, where the caller knows nothing better


class BadArchive(BadInput):
    """A zip that is not read.

    kind: a few words for the report, the same for all of their kind.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Archive:
    """A zip open for reading; use it in a `with` statement.

    Args:
        path: the zip.
        limit: bytes that all its files together may unpack to.

    Raises:
        BadArchive: damaged, or no zip at all; holds a path that climbs out of it; would unpack to more than `limit`.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
            raise BadArchive("damaged zip", f"{path} cannot be read as a zip: {error}. Fetch it again.") from error
        try:
            self._files = {entry.filename: entry for entry in self._zip.infolist() if not entry.is_dir()}
            self._check(limit)
        except BadArchive:
            self._zip.close()
            raise

    def _check(self, limit: int) -> None:
        entries = self._zip.infolist()
        for entry in entries:
            if _climbs(entry.orig_filename):
                raise BadArchive(
                    "zip with a path that climbs out of it",
                    f"{self.path} holds {entry.orig_filename!r}, which lies outside the zip. Nothing of it is read; ask its maker.",
                )
        declared = sum(entry.file_size for entry in entries)
        if declared > limit:
            raise BadArchive(
                "zip that unpacks too large",
                f"{self.path} would unpack to {declared:,} bytes, but at most {limit:,} are read. Nothing of it is read; ask its maker.",
            )

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *exception: object) -> None:
        self._zip.close()

    @property
    def names(self) -> list[str]:
        """Its files, in their order, with / between folders."""
        return list(self._files)

    def read(self, name: str) -> bytes:
        """A file's bytes; never more than the zip's directory says, however much is packed there.

        Raises:
            BadArchive: the file is damaged, encrypted or packed in a way that is not known.
            KeyError: the zip has no file of that name.
        """
        with self._opened(name) as file:
            return file.read(self._files[name].file_size + 1)  # a number makes zipfile unpack no more; its checksum does the rest

    def copy(self, name: str, target: Path) -> None:
        """Write a file's bytes to `target`, a piece at a time, for what is too large for memory. Raises like `read`."""
        with target.open("wb") as copy, self._opened(name) as file:
            left = self._files[name].file_size
            while piece := file.read(min(PIECE, left + 1)):
                left -= len(piece)
                copy.write(piece)

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        entry = self._files[name]
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # of the others no bounded part can be unpacked
            raise BadArchive("damaged zip", f"{name} in {self.path} is neither stored nor deflated. Pack the zip again with deflate.")
        try:
            with self._zip.open(entry) as file:
                yield file
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
            raise BadArchive("damaged zip", f"{name} in {self.path} cannot be read: {error}. Fetch the zip again.") from error


def _climbs(name: str) -> bool:
    """Whether a path in a zip is absolute or leads up, as Linux or Windows would read it."""
    windows = PureWindowsPath(name)
    return PurePosixPath(name).is_absolute() or bool(windows.drive or windows.root) or ".." in windows.parts
