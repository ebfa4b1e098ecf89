"""The choice of queue in the sidebar of Verify, kept in the page's address."""

import streamlit as st

from data.catalogue import Collection
from data.workspace import Workspace
from labeling import queues
from labeling.queues import Queue

TITLES = {
    "unverified": "Without a decision", "all": "All samples", "crop": "By crop", "region": "By region", "cell": "Confusion cell",
    "suspects": "Label errors first", "random": "Random order",
}  # fmt: skip
LABELS = {"crop": "Crop", "region": "Region", "cell": "Cell", "suspects": "Run"}  # of the kinds that need a second choice


def queue(workspace: Workspace, collection: Collection) -> Queue:
    """The queue that the address asks for, or the one chosen in the sidebar.

    Raises:
        BadInput: the address asks for a queue that there is not.
    """
    asked = st.query_params.get("queue")
    arriving = "verify.kind" not in st.session_state  # Streamlit forgets a widget's choice when its page is left
    if asked and (arriving or asked != st.session_state.get("verify.asked")):
        _remember(queues.parse(asked))
        st.session_state["verify.linked"] = (collection.name, queues.parse(asked))
    linked_to, linked = st.session_state.get("verify.linked", (None, None))
    options = _options(workspace, collection, linked if linked_to == collection.name else None)
    with st.sidebar:
        kind = _choice("Queue", {kind: title for kind, title in TITLES.items() if kind in options}, "verify.kind")
        picked = Queue(kind, _choice(LABELS[kind], options[kind], f"verify.{kind}") if kind in LABELS else ())
    _write_address(collection, picked)
    return picked


def _choice(label: str, options: dict, key: str):
    """A select box of `options` (value -> title); what was chosen in another collection may not be among them."""
    if st.session_state.get(key) not in options:
        st.session_state.pop(key, None)
    return st.selectbox(label, list(options), format_func=options.get, key=key)


def _remember(asked: Queue) -> None:
    """Choose in the sidebar what the address asks for, before its fields are drawn."""
    st.session_state["verify.kind"] = asked.kind
    if asked.values:
        st.session_state[f"verify.{asked.kind}"] = asked.values


def _options(workspace: Workspace, collection: Collection, asked: Queue | None) -> dict[str, dict[tuple[str, ...], str]]:
    """Kind -> values -> what to call them. What the address asked for is among them, even where it is empty."""
    crops, regions = queues.choices(workspace.store, collection.name)
    options = {kind: {(): ""} for kind in ("unverified", "all", "random")}
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


def _write_address(collection: Collection, queue: Queue) -> None:
    """Name the collection and the queue in the address; a sample named there belonged to the queue before."""
    st.session_state["verify.asked"] = str(queue)
    wanted = {"collection": collection.name, "queue": str(queue)}
    now = {key: st.query_params.get(key) for key in wanted}
    if now != wanted:
        sample = st.query_params.get("sample") if now["queue"] is None and now["collection"] in (None, collection.name) else None
        st.query_params.from_dict(wanted | ({"sample": sample} if sample else {}))
