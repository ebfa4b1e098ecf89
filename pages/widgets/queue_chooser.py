"""The choice of queue in the sidebar of Verify, kept in the page's address.

Some queues are rules and are always up to date (`labeling.queues`); others are worked out and stored (`labeling.worklists`): choosing one
opens the newest that there is, or makes the first, and "Rank anew" makes another. The address names a stored queue by its number
(`queue=list:12`), or by its kind (`queue=outliers`, `queue=similar:SAMPLE`), which opens the newest of it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from data.catalogue import Collection
from data.errors import BadInput, CropcheckError
from data.workspace import Workspace
from labeling import queues, worklists
from labeling.queues import Queue
from labeling.rankings.registry import KINDS
from labeling.worklists import Worklist
from pages.widgets import queue_shares

RULES = {
    "unverified": "Without a decision", "suspects": "Label errors first", "cell": "Confusion cell", "second": "Second look",
    "conflicts": "Conflicts", "crop": "By crop", "region": "By region", "random": "Random order", "all": "All samples",
}  # fmt: skip
STORED = ("mixed", "disagrees", "border", "outliers", "rotation", "purity", "gaps", "similar", "map", "area", "audit")
OTHER = "list"  # stored queues of the kinds that the rules serve, too: made by command
ORDER = (
    "mixed", "unverified", "suspects", "disagrees", "cell", "border", "outliers", "rotation", "purity", "gaps", "similar", "map", "area",
    "audit", "second", "conflicts", "crop", "region", "random", "all", OTHER,
)  # fmt: skip
TITLES = {kind: {OTHER: "Stored by command", **RULES}.get(kind) or KINDS[kind].title for kind in ORDER}
LABELS = {"crop": "Crop", "region": "Region", "cell": "Cell", "suspects": "Run"}  # of the kinds that need a second choice
DEFAULT = "unverified"


def queue(workspace: Workspace, collection: Collection) -> Queue:
    """The queue that the address asks for, or the one chosen in the sidebar; where it cannot be made, why, and the end of the page.

    Raises:
        BadInput: the address asks for a queue that there is not.
    """
    asked = st.query_params.get("queue")
    arriving = "verify.kind" not in st.session_state  # Streamlit forgets a widget's choice when its page is left
    if asked and (arriving or asked != st.session_state.get("verify.asked")):
        _adopt(workspace, collection, asked)
        st.session_state["verify.asked"] = asked
    elif arriving:
        st.session_state["verify.kind"] = DEFAULT
    stored = worklists.listing(workspace.store, collection.name)
    linked_to, linked = st.session_state.get("verify.linked", (None, None))
    options = _options(workspace, collection, linked if linked_to == collection.name else None)
    kinds = [kind for kind in TITLES if kind in options or _on_offer(kind, stored)]
    with st.sidebar:
        kind = _choice("Queue", {kind: TITLES[kind] for kind in kinds}, "verify.kind", DEFAULT)
    if kind in options:
        with st.sidebar:
            picked = Queue(kind, _choice(LABELS[kind], options[kind], f"verify.{kind}") if kind in LABELS else ())
    else:
        picked = _stored(workspace, collection, kind, [one for one in stored if _shelf(one.kind) == kind])
    _write_address(collection, str(picked))
    return picked


def _choice(label: str, options: dict, key: str, default: str | None = None):
    """A select box of `options` (value -> title); what was chosen in another collection may not be among them."""
    if st.session_state.get(key) not in options:
        st.session_state.pop(key, None)
        if default in options:
            st.session_state[key] = default
    return st.selectbox(label, list(options), format_func=options.get, key=key)


def _shelf(kind: str) -> str:
    """Under which choice a stored queue of that kind is found."""
    return kind if kind in STORED else OTHER


def _on_offer(kind: str, stored: list[Worklist]) -> bool:
    """A ranking that needs nothing can be made any time; the others are there once they were made."""
    return (kind in STORED and not KINDS[kind].needs) or any(_shelf(one.kind) == kind for one in stored)


def _adopt(workspace: Workspace, collection: Collection, asked: str) -> None:
    """Choose in the sidebar what the address asks for, before its fields are drawn.

    Raises:
        BadInput: there is no such queue, or it belongs to another collection.
        UnknownSample: the sample that others should be similar to is not in the collection.
    """
    kind, _, value = asked.partition(":")
    if kind in STORED and bool(value) == bool(KINDS[kind].needs):
        found = _of_address(workspace, collection, kind, value)
    else:
        wanted = queues.parse(asked)
        found = worklists.get(workspace.store, int(wanted.values[0])) if wanted.kind == "list" else None
        if found is None:
            st.session_state["verify.kind"] = wanted.kind
            st.session_state["verify.linked"] = (collection.name, wanted)
            if wanted.values:
                st.session_state[f"verify.{wanted.kind}"] = wanted.values
            return
    if found and found.collection != collection.name:
        raise BadInput(
            f"The stored queue {found.id} belongs to the collection {found.collection}. Open it with "
            f"?collection={found.collection}&queue=list:{found.id} in the address."
        )
    st.session_state["verify.kind"] = _shelf(found.kind) if found else kind
    st.session_state[f"verify.batch.{st.session_state['verify.kind']}"] = found.id if found else None


def _of_address(workspace: Workspace, collection: Collection, kind: str, value: str) -> Worklist | None:
    """The newest stored queue of the kind; of one that needs something to be said, it is made where there is none."""
    if not value:
        return worklists.newest(workspace.store, collection.name, kind)
    params = {KINDS[kind].needs[0]: value}
    found = worklists.newest(workspace.store, collection.name, kind, worklists.settled(workspace, collection.name, kind, params))
    return found or _made(workspace, collection, kind, params)


def _stored(workspace: Workspace, collection: Collection, kind: str, batches: list[Worklist]) -> Queue:
    """The stored queue that is chosen of a kind, made anew where that is asked for or where there is none."""
    sidebar = st.sidebar.container()
    order = st.session_state.pop("verify.anew", None)
    shown = None
    if kind in KINDS and (not batches or (order and order[0] == kind)):
        try:
            shown = _made(workspace, collection, kind, order[1] if order else {})
            batches = [shown, *batches]
            st.session_state[f"verify.batch.{kind}"] = shown.id
        except CropcheckError as error:
            _refused(kind, str(error), have_one=bool(batches))
    with sidebar:
        params: Callable[[], dict[str, Any]] = dict
        if len(batches) > 1:
            number = _choice("Made", {one.id: _told_shortly(one, kind) for one in batches}, f"verify.batch.{kind}")
            shown = next(one for one in batches if one.id == number)
        elif batches:
            shown = batches[0]
            st.caption(_told(shown, kind))
        if kind == "mixed":
            params = queue_shares.show(workspace, collection)
        if shown and kind in KINDS:
            st.button(
                "Rank anew", icon=":material/refresh:", key="verify.rank", width="stretch", on_click=_order,
                args=(kind, params, _again(shown)), help=f"{KINDS[kind].help} The list at hand stays as it is.",
            )  # fmt: skip
    if shown is None:
        _write_address(collection, kind)
        st.stop()
    return Queue("list", (str(shown.id),))


def _made(workspace: Workspace, collection: Collection, kind: str, params: dict[str, Any]) -> Worklist:
    curator = st.session_state.get("curator", "").strip() or None
    with st.spinner(f"Ranking: {KINDS[kind].title}"):
        return worklists.make(workspace, collection.name, kind, params, curator=curator)


def _refused(kind: str, error: str, *, have_one: bool) -> None:
    """Say why there is no new list: beside the one that there is, or in its place."""
    if have_one:
        st.warning(error, icon=":material/playlist_remove:")
    else:
        st.info(f"**{TITLES[kind]}**: {error}", icon=":material/playlist_remove:")


def _order(kind: str, params: Callable[[], dict[str, Any]], again: dict[str, Any]) -> None:
    st.session_state["verify.anew"] = (kind, again | params())


def _again(found: Worklist) -> dict[str, Any]:
    """What the same list is asked for with, on today's newest run and by today's shares."""
    return {name: found.params[name] for name in KINDS[found.kind].params if name in found.params and name not in ("run", "mix")}


def _told(found: Worklist, kind: str) -> str:
    told = f"made {ago(found.made)} · {found.open:,} open of {found.entries:,}"
    return told if kind in KINDS and found.title == KINDS[kind].title else f"{found.title} · {told}"


def _told_shortly(found: Worklist, kind: str) -> str:
    """For a select box in the narrow sidebar."""
    told = f"{ago(found.made)} · {found.open:,} open"
    return told if kind in KINDS and not KINDS[kind].needs else f"{found.title} · {told}"


def ago(made: str) -> str:
    """ISO-8601 -> just now, 12 min ago, 3 h ago, 2 days ago."""
    minutes = int((datetime.now(UTC) - datetime.fromisoformat(made)).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"


def _options(workspace: Workspace, collection: Collection, asked: Queue | None) -> dict[str, dict[tuple[str, ...], str]]:
    """Kind -> values -> what to call them, of the rules. What the address asked for is among them, even where it is empty."""
    crops, regions = queues.choices(workspace.store, collection.name)
    options = {kind: {(): ""} for kind in RULES if kind not in LABELS}
    options["crop"] = {(str(code),): f"{name} ({count:,})" for code, name, count in crops}
    options["region"] = {(name,): f"{name} ({count:,})" for name, count in regions}
    options["cell"] = {
        (run, truth, predicted): f"{truth} → {predicted} ({count:,}), {run}"
        for run, truth, predicted, count in queues.cells(workspace.store, collection.name)
    }
    options["suspects"] = {
        (run,): f"{run.removeprefix(collection.name + '-')} ({count:,})" for run, count in queues.doubts(workspace.store, collection.name)
    }
    if asked and asked.values:
        options[asked.kind].setdefault(asked.values, " → ".join(asked.values[-2:]))
    return {kind: values for kind, values in options.items() if values}


def _write_address(collection: Collection, queue: str) -> None:
    """Name the collection and the queue in the address; a sample named there belonged to the queue before."""
    st.session_state["verify.asked"] = queue
    wanted = {"collection": collection.name, "queue": queue}
    now = {key: st.query_params.get(key) for key in wanted}
    if now != wanted:
        sample = st.query_params.get("sample") if now["queue"] is None and now["collection"] in (None, collection.name) else None
        kept = {"sample": sample, "from": st.query_params.get("from")}  # from: the page that has a way back
        st.query_params.from_dict(wanted | {key: value for key, value in kept.items() if value})
