"""Cells of CSV files that people open in a spreadsheet: text that would be run as a formula is made plain text.

Excel, LibreOffice and Google Sheets run a cell that begins with one of the signs of STARTS; a single quote before it stops them.
Source: https://owasp.org/www-community/attacks/CSV_Injection, and OWASP ASVS 5.0, requirement 1.2.10, which adds the null character.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

STARTS = ("=", "+", "-", "@", "\t", "\r", "\0")


def harmless(value: Any) -> Any:
    """The value as a cell: text that a spreadsheet would run, spaces before it or not, gets a single quote in front.

    Numbers, true, false and None stay as they are: no curator writes them.
    """
    if isinstance(value, str) and (value.startswith(STARTS) or value.lstrip(" ").startswith(STARTS)):
        return f"'{value}"
    return value


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows as CSV (RFC 4180, line ends LF) with these columns, every cell harmless; None is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: harmless(row[name]) for name in columns} for row in rows)
    return text.getvalue()
