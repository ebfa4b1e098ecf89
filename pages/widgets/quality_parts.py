"""What the sections of the Quality page share: a table with its CSV, and an empty state with the way out of it."""

from collections.abc import Sequence

import streamlit as st

from data import sheets
from labeling.queues import Queue
from labeling.trust.tables import Row

QUIET = {"displayModeBar": False}
MOST_HEIGHT = 458
COUNTS = ("Samples", "Decisions", "Controls", "Decided", "Audited", "Samples seen twice", "More for ±5", "More for ±2")


def table(key: str, stem: str, rows: Sequence[Row], *, percent: Sequence[str] = (), hidden: Sequence[str] = ()) -> None:
    """The rows under each other, and all of their columns as a file.

    Args:
        percent: names of shares that are shown in per cent; with "from" and "to" they are columns of one interval.
        hidden: columns that only the file has.
    """
    columns = list(rows[0])
    shares = [column for column in columns if column.removesuffix(" from").removesuffix(" to") in percent]
    config = {column: _format(column, column in shares) for column in columns if _is_number(rows, column)}
    empty = [column for column in columns if all(row[column] is None for row in rows)]
    st.dataframe(
        [{column: _scaled(row[column], column in shares) for column in columns} for row in rows], hide_index=True, key=f"{key}.table",
        height=min(MOST_HEIGHT, 38 + 35 * len(rows)), column_config=config,
        column_order=[column for column in columns if column not in hidden and column not in empty],
    )  # fmt: skip
    st.download_button(
        "CSV", sheets.as_csv(columns, rows), f"{stem}.csv", "text/csv", icon=":material/download:", key=f"{key}.csv", on_click="ignore"
    )


def nothing_yet(text: str, icon: str, collection: str, *, label: str, queue: Queue | None, key: str) -> None:
    """The empty state: what is missing, and a button that leads to where it is made: a queue in Verify, or Verify itself."""
    st.info(text, icon=icon)
    if st.button(label, type="primary", icon=":material/arrow_forward:", key=key):
        params = {"collection": collection} | ({"queue": str(queue)} if queue else {})
        st.switch_page("pages/verify.py", query_params=params)


def _is_number(rows: Sequence[Row], column: str) -> bool:
    return any(isinstance(row[column], int | float) for row in rows)


def _format(column: str, share: bool) -> object:
    if share:
        return st.column_config.NumberColumn(format="%.1f %%")
    whole = column in COUNTS or column.endswith(", of")
    return st.column_config.NumberColumn(format="localized" if whole else "%.1f" if column.endswith(" s") else "%.3f")


def _scaled(value: object, share: bool) -> object:
    return value * 100 if share and value is not None else value
