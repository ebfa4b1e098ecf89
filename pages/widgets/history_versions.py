"""Dataset versions: freeze one under a name, check that it holds, and compare two."""

import streamlit as st

from data import differences, named_versions
from data.catalogue import Collection
from data.differences import Difference
from data.named_versions import Named
from data.versions import Listed
from data.workspace import Workspace
from labeling.history import Viewer
from pages.widgets import history_parts as parts
from pages.widgets import resources

SHOWN = 500  # samples of a difference in the table; the CSV has them all


@st.cache_data(max_entries=4, show_spinner="Comparing")
def _difference(workspace: Workspace, collection: str, before: str, after: str) -> Difference:
    """Both are texts with the whole hash: what they name never changes."""
    return differences.between(workspace.store, collection, before, after)


def show(workspace: Workspace, collection: Collection, who: Viewer) -> None:
    parts.told()
    left, right = st.columns([2, 3], gap="large")
    with left:
        _freeze(workspace, collection, who)
    with right:
        _frozen(workspace, named_versions.listing(workspace.store, collection.name), collection)
    st.markdown("##### Compare")
    _compare(workspace, collection)


def _freeze(workspace: Workspace, collection: Collection, who: Viewer) -> None:
    st.markdown("##### Freeze the labels of now")
    st.text_input("Name", placeholder="for example paper-2026", key="history.version")
    st.text_input("Note", placeholder="What for", key="history.version_note")
    st.button(
        "Freeze", type="primary", icon=":material/ac_unit:", key="history.freeze", on_click=_frozen_now,
        args=(workspace, collection.name, who.name),
    )  # fmt: skip
    st.caption("A name is for good. It works wherever a version is asked for: in Publish, and as `--version` of the command line.")


def _frozen_now(workspace: Workspace, collection: str, curator: str) -> None:
    name, note = st.session_state["history.version"], st.session_state["history.version_note"]
    made = parts.attempt(named_versions.freeze, workspace.store, collection, name, curator=curator, note=note)
    if made:
        st.session_state["history.version"] = st.session_state["history.version_note"] = ""
        resources.versions.clear()
        parts.tell(f"Frozen as {made.name}: {made.version}")


def _frozen(workspace: Workspace, known: list[Named], collection: Collection) -> None:
    st.markdown("##### Frozen versions")
    if not known:
        st.info("None yet. Freeze one before a training or a publication that others are to repeat.", icon=":material/ac_unit:")
        return
    picked = st.dataframe(
        [
            {"Name": one.name, "Event": one.version.event, "Hash": one.version.hash[:12], "Frozen (UTC)": parts.moment(one.created),
             "By": one.curator, "Note": parts.shortened(one.note)}
            for one in known
        ],
        hide_index=True, key="history.frozen", on_select="rerun", selection_mode="single-row", height=min(220, 38 + 35 * len(known)),
    )["selection"]["rows"]  # fmt: skip
    one = known[picked[0]] if picked and picked[0] < len(known) else None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Check", icon=":material/fact_check:", key="history.check", disabled=one is None, on_click=_checked,
            args=(workspace, collection.name, one and one.name),
        )  # fmt: skip
        st.caption("Works out the hash anew and says whether the version still holds. Tick one first.")


def _checked(workspace: Workspace, collection: str, name: str) -> None:
    found = parts.attempt(named_versions.check, workspace.store, collection, name)
    if found and found.holds:
        parts.tell(f"{name} holds: {found.found}")
    elif found:
        parts.tell(
            f"{name} does not hold: it was frozen as {found.named.version}, and now that event says {found.found}. Samples or inventory "
            "labels were changed since; a backup of that time has what was frozen.", wrong=True,
        )  # fmt: skip


def _compare(workspace: Workspace, collection: Collection) -> None:
    listed = resources.versions(workspace, collection.name)
    if len(listed) < 2:
        st.info("There is one version only. Freeze one, go on verifying, and compare then.", icon=":material/compare_arrows:")
        return
    first, second, _ = st.columns([2, 2, 1])
    titles = {entry.version.whole: _title(entry, number == 0) for number, entry in enumerate(listed)}
    before = first.selectbox("Before", list(titles), index=1, format_func=lambda text: titles.get(text, text), key="history.before")
    after = second.selectbox("After", list(titles), format_func=lambda text: titles.get(text, text), key="history.after")
    found = parts.attempt(_difference, workspace, collection.name, before, after)
    if found is None:
        parts.told()
        return
    _differences(found, differences.crops(workspace.store, collection.name))


def _title(entry: Listed, current: bool) -> str:
    words = ["As it is now"] if current else []
    words += [*entry.names, *(f"learned by {run}" for run in entry.runs[:1]), f"event {entry.version.event}"]
    return " · ".join(words)


def _differences(found: Difference, names: dict[int | None, str]) -> None:
    counts = ", ".join(f"{kind} {count:,}" for kind, count in found.by_kind.items() if count)
    st.markdown(f"**{len(found.changes):,} of {found.samples:,} samples differ**" + (f": {counts}" if counts else ""))
    if not found.changes:
        return
    left, right = st.columns([2, 3])
    pairs = [{"From": names[one], "To": names[other], "Samples": count} for one, other, count in found.by_pair]
    rows = [
        {
            "Sample": change.name, "Differs in": ", ".join(change.kinds), "Label before": names[change.code_before],
            "Label after": names[change.code_after], "State before": change.state_before, "State after": change.state_after,
            "Images": change.images,
        }
        for change in found.changes[:SHOWN]
    ]  # fmt: skip
    left.dataframe(pairs or [{"From": "", "To": "", "Samples": 0}], hide_index=True, key="history.pairs")
    right.dataframe(rows, hide_index=True, key="history.changes", height=min(320, 38 + 35 * len(rows)))
    right.download_button(
        "All of them as CSV", lambda: differences.table(found, names).encode(), f"{found.before}-to-{found.after.event}.csv", "text/csv",
        icon=":material/download:", key="history.diff_csv", on_click="ignore",
    )  # fmt: skip
