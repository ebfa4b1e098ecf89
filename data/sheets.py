"""Cells of CSV files that people open in a spreadsheet: text that would be run as a formula is made plain text.

Excel, LibreOffice and Google Sheets run a cell that begins with one of the signs of STARTS; a single quote before it stops them.
Source: https://owasp.org/www-community/attacks/CSV_Injection, and OWASP ASVS 5.0, requirement 1.2.10, which adds the null character.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

STARTS = ("=", "+", "-", "@", "\t", "\r", "\0")


def harmless(value: Any) -> Any:
    """The value as a cell: text that a spreadsheet would run, spaces before it or not, gets a single quote in front.

    Numbers, true, false and None stay as they are: no curator writes them.
    """
    if isinstance(value, str) and (value.startswith(STARTS) or value.lstrip(" ").startswith(STARTS)):
        return f"'{value}"
    return value


def write(file: IO[str], columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """The rows as CSV (RFC 4180) with these columns, every cell harmless; None is an empty cell.

    Args:
        file: opened with newline="".
    """
    # Python quotes the characters of the line end that it writes: with LF alone, a CR within a note would begin a new row.
    writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: harmless(row[name]) for name in columns} for row in rows)


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """What `write` writes."""
    text = io.StringIO(newline="")
    write(text, columns, rows)
    return text.getvalue()
