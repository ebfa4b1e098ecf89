"""The choice of queue in the sidebar of Verify, kept in the page's address."""

import streamlit as st

from data.catalogue import Collection
from data.workspace import Workspace
from labeling import queues
from labeling.queues import Queue

TITLES = {
    "unverified": "Without a decision", "all": "All samples", "crop": "By crop", "region": "By region", "cell": "Confusion cell",
    "random": "Random order",
}  # fmt: skip


def queue(workspace: Workspace, collection: Collection) -> Queue:
    """The queue that the address asks for, or the one chosen in the sidebar.

    Raises:
        BadInput: the address asks for a queue that there is not.
    """
    asked = st.query_params.get("queue")
    if asked and asked != st.session_state.get("verify.asked"):
        _remember(queues.parse(asked))
    options = _options(workspace, collection, st.session_state.get("verify.queue"))
    with st.sidebar:
        kind = st.selectbox("Queue", [kind for kind in TITLES if kind in options], format_func=TITLES.get, key="verify.kind")
        values = options[kind]
        if values != {(): ""}:
            label = {"crop": "Crop", "region": "Region", "cell": "Cell"}[kind]
            chosen = st.selectbox(label, list(values), format_func=values.get, key=f"verify.{kind}")
        else:
            chosen = ()
    picked = Queue(kind, chosen)
    _write_address(collection, picked)
    return picked


def _remember(asked: Queue) -> None:
    st.session_state["verify.queue"] = asked
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
