"""What the sections of History share: how an event is written in a table, its detail, and what a button did.

Text that people wrote is shown in tables and as plain text only, so that neither HTML nor Markdown in it does anything.
"""

from typing import Any

import streamlit as st

from data import catalogue
from data.errors import CropcheckError
from data.sheets import harmless
from data.store import Store
from labeling.decisions import REASONS

SHORT = 80  # characters of a note in a table; the detail has it whole
TOLD = "history.told"
CONFIG = {"Event": st.column_config.NumberColumn(format="%d", width="small"), "Note": st.column_config.TextColumn(width="medium")}


def crops(store: Store, collection: str) -> dict[str, str]:
    """Code as text -> code and crop."""
    return {str(entry.code): f"{entry.code} {entry.name}" for entry in catalogue.legend(store, collection)}


def rows(events: list[dict[str, Any]], names: dict[str, str]) -> list[dict[str, Any]]:
    """Events as a table has them; it can be downloaded by its own button, so no cell of it may run as a formula."""
    found = [
        {
            "Event": event["id"], "Time (UTC)": moment(event["at"]), "Sample": event["name"], "Curator": event["curator"],
            "Said": said(event, names), "State": state(event), "Queue": event["kind"] or "", "Look": event["look"],
            "Note": shortened(event["note"]),
        }
        for event in events
    ]  # fmt: skip
    return [{name: harmless(cell) for name, cell in row.items()} for row in found]


def said(event: dict[str, Any], names: dict[str, str]) -> str:
    """What an event says, in words."""
    action, reason = event["action"], event["reason"]
    old, new = (names.get(code, code) if code is not None else "none" for code in (event["old"], event["new"]))
    return {
        "agree": f"agree: {new}", "relabel": f"relabel: {old} → {new}", "reject": f"reject: {REASONS.get(reason, reason)}",
        "flag": "flag" if event["new"] == "1" else "take the flag off", "quality": f"{event['acquired']}: {event['old']} → {event['new']}",
        "undo": f"undo of event {event['undo_of']}",
    }.get(action, action)  # fmt: skip


def state(event: dict[str, Any]) -> str:
    return "undone" if event["undone"] else "" if event["stands"] else "kept beside"


def moment(at: str) -> str:
    return at[:19].replace("T", " ")


def shortened(note: str | None) -> str:
    """A note in one line; nothing where there is none."""
    line = " ".join((note or "")[: SHORT * 4].split())
    return harmless(line if len(line) <= SHORT and len(note or "") <= SHORT * 4 else f"{line[:SHORT]}…")


def detail(event: dict[str, Any], names: dict[str, str]) -> None:
    """One event whole, its note as it was written."""
    with st.container(border=True):
        st.text(f"Event {event['id']} · {moment(event['at'])} UTC · {event['name']} · {event['curator']} · {said(event, names)}")
        facts = {"queue": event["queue"], "rank": event["rank"], "run": event["run"], "uid": event["uid"]}
        seconds = None if event["ms"] is None else f"{event['ms'] / 1000:.1f} s"
        st.text(" · ".join(f"{name}: {value}" for name, value in (facts | {"decided in": seconds}).items() if value is not None))
        if event["note"]:
            with st.container(height=160 if len(event["note"]) > 600 else "content"):
                st.text(event["note"])


def tell(text: str, *, wrong: bool = False) -> None:
    """Keep what a button did for the next drawing of the page."""
    st.session_state[TOLD] = (text, wrong)


def attempt(action, *values, **named) -> Any:
    """Call it from a button; a fault is told, and None returned."""
    try:
        return action(*values, **named)
    except CropcheckError as error:
        tell(str(error), wrong=True)
        return None


def told() -> None:
    """What the last button did."""
    text, wrong = st.session_state.pop(TOLD, (None, False))
    if text:
        (st.error if wrong else st.success)(text, icon=":material/block:" if wrong else ":material/check:")
