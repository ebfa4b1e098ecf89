"""The events: filters, a page of the table, one event whole, the export, taking back, and decisions that were refused."""

from datetime import UTC, datetime

import streamlit as st

from data import catalogue
from data.catalogue import Collection
from data.errors import UnknownSample
from data.workspace import Workspace
from labeling import history, refused, team
from labeling.history import PAGE, Filters, Viewer
from pages.widgets import history_parts as parts

HEIGHT = 248  # px; with the filters above, it fits a screen of 768
UNDONE = {"Undone or not": None, "In force or kept": False, "Undone": True}


def show(workspace: Workspace, collection: Collection, who: Viewer) -> None:
    store = workspace.store
    filters = _filters(workspace, collection)
    parts.told()
    count = history.count(store, collection.name, filters, who)
    pages = _pages(collection, filters)
    found = history.events(store, collection.name, filters, who, before=pages[-1])
    _head(workspace, collection, filters, who, (len(pages) - 1) * PAGE, found, count)
    if found:
        _table(workspace, collection, pages, found, filters)
    administrator = (found := team.find(store, who.name)) is not None and found.may("administrator")
    if count and administrator:
        _take_back(workspace, collection, filters, who)
    if who.sees_all:
        _refused(workspace, collection, who, administrator)


def _filters(workspace: Workspace, collection: Collection) -> Filters:
    known = history.choices(workspace.store, collection.name)
    first, second = st.columns(5), st.columns(5)
    sample = first[0].text_input("Sample", placeholder="Name or number", key="history.sample")
    chosen = {
        "curator": _choice(first[1], "Curator", "Everybody", known["curator"]),
        "action": _choice(first[2], "Action", "Every action", known["action"]),
        "kind": _choice(second[0], "Queue", "Every queue", known["kind"]),
        "look": _choice(second[1], "Look", "Every look", known["look"]),
    }
    words = first[3].text_input("Words in the note", key="history.words")
    undone = second[2].selectbox("Undone", list(UNDONE), key="history.undone")
    start = second[3].date_input("From day (UTC)", None, key="history.from")
    end = second[4].date_input("To day (UTC)", None, key="history.to")
    since = first[4].number_input("Since event", min_value=1, value=None, step=1, key="history.since")
    return Filters(_number(workspace, collection, sample), **chosen, words=words, undone=UNDONE[undone], first_day=start, last_day=end,
                   since=since)  # fmt: skip


def _choice(column, label: str, every: str, values: list[str]) -> str | None:
    chosen = column.selectbox(label, [every, *values], key=f"history.{label.lower()}")
    return None if chosen == every else chosen


def _number(workspace: Workspace, collection: Collection, sample: str) -> int | None:
    """The sample's number; of an unknown one a number that none has, so that no event is shown."""
    if not sample.strip():
        return None
    try:
        return catalogue.sample_id(workspace.store, collection.name, sample.strip())
    except UnknownSample as error:
        st.warning(str(error), icon=":material/search_off:")
        return -1


def _pages(collection: Collection, filters: Filters) -> list[int | None]:
    """The event before which each page turned to begins, the one shown last; other filters begin at the newest event."""
    if st.session_state.get("history.paged") != (collection.name, filters):
        st.session_state["history.paged"], st.session_state["history.pages"] = (collection.name, filters), [None]
    return st.session_state["history.pages"]


def _head(workspace: Workspace, collection: Collection, filters: Filters, who: Viewer, first: int, found: list[dict], count: int) -> None:
    kept = history.hidden(workspace.store, collection.name, filters, who)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{count:,} {'event' if count == 1 else 'events'}**" + (f", {kept:,} more are not shown to you" if kept else ""))
        if count:
            st.download_button(
                "All of them as CSV", lambda: history.table(workspace.store, collection.name, filters, who).encode(),
                f"{collection.name}-events-{datetime.now(UTC):%Y%m%d}.csv", "text/csv", icon=":material/download:", key="history.csv",
                on_click="ignore",
            )  # fmt: skip
            pages = st.session_state["history.pages"]
            st.button("Newer", icon=":material/chevron_left:", key="history.newer", disabled=len(pages) == 1, on_click=pages.pop)
            st.button(
                "Older", icon=":material/chevron_right:", key="history.older", disabled=len(found) < PAGE,
                on_click=lambda: pages.append(found[-1]["id"]),
            )  # fmt: skip
            st.caption(f"{first + 1:,} to {first + len(found):,}, the newest first. Tick a row to read it whole.")
    if kept:
        st.caption(
            "What others said of a sample that waits for a second look is shown once that was given; answers to controls are for reviewers."
        )
    if not count and filters == Filters():
        st.info("Nothing was decided in this collection yet. Verify some labels: every decision appears here.", icon=":material/history:")
    elif not count:
        st.info("No event is like that. Take a filter away.", icon=":material/filter_alt_off:")


def _table(workspace: Workspace, collection: Collection, pages: list[int | None], found: list[dict], filters: Filters) -> None:
    names = parts.crops(workspace.store, collection.name)
    picked = st.dataframe(
        parts.rows(found, names), hide_index=True, height=HEIGHT, key=f"history.table.{len(pages)}.{hash((collection.name, filters))}",
        on_select="rerun", selection_mode="single-row", column_config=parts.CONFIG,
    )["selection"]["rows"]  # fmt: skip
    if picked and picked[0] < len(found):
        event = found[picked[0]]
        parts.detail(event, names)
        if st.button("Open the sample in Verify", icon=":material/task_alt:", key="history.open"):
            st.switch_page("pages/verify.py", query_params={"collection": collection.name, "sample": event["name"]})


def _take_back(workspace: Workspace, collection: Collection, filters: Filters, who: Viewer) -> None:
    with st.expander("Take all of these back", icon=":material/undo:"):
        planned = history.plan(workspace.store, collection.name, filters)
        if not planned.uids:
            st.caption("None of these can be taken back: they are undone, undoes, or answers to controls.")
            return
        by = ", ".join(f"{curator} {count:,}" for curator, count in planned.curators.items())
        st.text(
            f"{len(planned.uids):,} events on {planned.samples:,} samples ({by}). {planned.labels:,} labels in force would change. "
            "An undo is appended for each; nothing is removed."
        )
        st.text_input("Why", key="history.why", help="Kept as the note of each undo.")
        sure = st.checkbox(f"Yes, take back {len(planned.uids):,} events", key=f"history.sure.{len(planned.uids)}")
        st.button(
            "Take back", type="primary", key="history.take_back", disabled=not sure, on_click=_taken_back,
            args=(workspace, collection.name, planned.uids, who.name),
        )  # fmt: skip


def _taken_back(workspace: Workspace, collection: str, uids: tuple[str, ...], by: str) -> None:
    note = st.session_state["history.why"]
    outcomes = parts.attempt(history.take_back, workspace.store, collection, uids, by=by, note=note)
    if outcomes is not None:
        failed = [outcome.error for outcome in outcomes if not outcome.stored]
        parts.tell(f"{len(outcomes) - len(failed):,} events were taken back." + (f" Not these: {failed[0]}" if failed else ""))


def _refused(workspace: Workspace, collection: Collection, who: Viewer, administrator: bool) -> None:
    found = refused.listing(workspace.store, collection.name)
    if not found:
        return
    with st.expander(f"Could not be stored: {len(found):,}", icon=":material/report:", expanded=True):
        picked = st.dataframe(
            [
                {"Time (UTC)": parts.moment(one.at), "Curator": one.curator, "Sample": str(one.said.get("name")),
                 "Said": str(one.said.get("action")), "Note": parts.shortened(one.said.get("note")), "Why not": one.error}
                for one in found
            ],
            hide_index=True, key="history.refused", on_select="rerun", selection_mode="single-row",
        )["selection"]["rows"]  # fmt: skip
        one = found[picked[0]] if picked and picked[0] < len(found) else None
        st.caption("They are kept whole. A tried one is stored on the sample that bears its sample's name now. Tick one first.")
        with st.container(horizontal=True):
            st.button(
                "Try again", icon=":material/replay:", key="history.again", disabled=one is None, on_click=_again, args=(workspace, one)
            )
            st.button(
                "Drop", icon=":material/delete:", key="history.drop", disabled=one is None or not administrator,
                on_click=_dropped, args=(workspace, one, who.name),
            )  # fmt: skip
            st.download_button(
                "As CSV", lambda: refused.table(workspace.store, collection.name).encode(), f"{collection.name}-refused.csv", "text/csv",
                icon=":material/download:", key="history.refused_csv", on_click="ignore",
            )  # fmt: skip


def _again(workspace: Workspace, one: refused.Refused) -> None:
    outcome = parts.attempt(refused.try_again, workspace.store, one.uid)
    if outcome is not None:
        parts.tell("Stored now." if outcome.stored else f"Still not stored: {outcome.error}", wrong=not outcome.stored)


def _dropped(workspace: Workspace, one: refused.Refused, by: str) -> None:
    parts.attempt(refused.drop, workspace.store, one.uid, by=by)
