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
    """The rows, an interval in one column, and all of their columns as a file.

    Args:
        percent: names of shares, shown in per cent with their intervals.
        hidden: columns that only the file has.
    """
    columns = list(rows[0])
    spread = [column for column in columns if f"{column} from" in columns]
    shown = [_shown(row, spread, percent) for row in rows]
    config = {column: _format(column, column in percent) for column in columns if any(isinstance(row[column], int | float) for row in rows)}
    kept = [column for column in shown[0] if column not in hidden and any(row[column] is not None for row in shown)]
    st.dataframe(
        shown,
        hide_index=True,
        key=f"{key}.table",
        height=min(MOST_HEIGHT, 38 + 35 * len(rows)),
        column_config=config,
        column_order=kept,
        placeholder="–",
    )
    st.download_button(
        "CSV", sheets.as_csv(columns, rows), f"{stem}.csv", "text/csv", icon=":material/download:", key=f"{key}.csv", on_click="ignore"
    )


def nothing_yet(text: str, icon: str, collection: str, *, label: str, queue: Queue | None, key: str) -> None:
    """The empty state: what is missing, and a button that leads to where it is made: a queue in Verify, or Verify itself."""
    st.info(text, icon=icon)
    if st.button(label, type="primary", icon=":material/arrow_forward:", key=key):
        params = {"collection": collection} | ({"queue": str(queue)} if queue else {})
        st.switch_page("pages/verify.py", query_params=params)


def _shown(row: Row, spread: Sequence[str], percent: Sequence[str]) -> Row:
    """The row with "X from" and "X to" as one "X, 95 %", and shares times a hundred."""
    found: Row = {}
    for column, value in row.items():
        if column.removesuffix(" from").removesuffix(" to") in spread and column not in spread:
            continue
        found[column] = value * 100 if column in percent and value is not None else value
        if column in spread:
            found[f"{column}, 95 %"] = _interval(row[f"{column} from"], row[f"{column} to"], column in percent)
    return found


def _interval(low: float | None, high: float | None, percent: bool) -> str | None:
    if low is None or high is None:
        return None
    return f"{low * 100:.1f}–{high * 100:.1f}" if percent else f"{low:.2f}–{high:.2f}"


def _format(column: str, share: bool) -> object:
    if share:
        return st.column_config.NumberColumn(format="%.1f %%")
    whole = column in COUNTS or column.endswith(", of")
    return st.column_config.NumberColumn(format="localized" if whole else "%.1f" if column.endswith(" s") else "%.3f")
