"""A sample's whole story: what was said of it, whether a second curator is asked, and the answers to controls made of it."""

import streamlit as st

from data import catalogue
from data.catalogue import Collection
from data.errors import UnknownSample
from data.workspace import Workspace
from labeling import history
from labeling.history import Viewer
from pages.widgets import history_parts as parts

REVIEWS = {
    "due": "waits for a second look",
    "agreed": "two curators agree",
    "conflict": "curators disagree",
    "settled": "settled by a reviewer",
}


def show(workspace: Workspace, collection: Collection, who: Viewer) -> None:
    name = st.text_input("Sample", placeholder="Its name or number", key="history.story", width=400).strip()
    if not name:
        st.info("Enter a sample to read all that was said of it. The names stand in the section Events.", icon=":material/manage_search:")
        return
    try:
        sample = catalogue.sample_id(workspace.store, collection.name, name)
    except UnknownSample as error:
        st.warning(str(error), icon=":material/search_off:")
        return
    _story(workspace, collection, sample, who)


def _story(workspace: Workspace, collection: Collection, sample: int, who: Viewer) -> None:
    told, names = history.story(workspace.store, collection.name, sample, who), parts.crops(workspace.store, collection.name)
    review = f" · {REVIEWS[told.review['state']]}" if told.review else ""
    if told.label is None:
        st.text(f"{told.hidden} of its events are not shown to you: it waits for a second look, or they answer controls.")
    elif told.events:
        crop = names.get(str(told.label["code"]), "no label")
        st.text(f"Now: {crop}, {told.label['state']}{', flagged' if told.label['flagged'] else ''}{review}")
    if told.events:
        picked = st.dataframe(
            parts.rows(told.events, names), hide_index=True, key=f"history.story.{sample}", on_select="rerun",
            selection_mode="single-row", column_config=parts.CONFIG,
        )["selection"]["rows"]  # fmt: skip
        if picked and picked[0] < len(told.events):
            parts.detail(told.events[picked[0]], names)
    elif not told.hidden:
        st.info("Nothing was said of this sample yet.", icon=":material/history:")
    if told.controls:
        st.markdown("##### Answers to controls made of it")
        st.dataframe(
            [
                {"Time (UTC)": parts.moment(one["at"]), "Curator": one["curator"], "True label": names.get(str(one["truth"])),
                 "Shown": names.get(str(one["shown"])), "Answer": names.get(one["verdict"], one["verdict"])}
                for one in told.controls
            ],
            hide_index=True, key="history.controls",
        )  # fmt: skip
    if st.button("Open in Verify", icon=":material/task_alt:", key="history.open_story"):
        st.switch_page("pages/verify.py", query_params={"collection": collection.name, "sample": str(sample)})
