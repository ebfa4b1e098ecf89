"""Overview: what the workspace holds, how far it is verified, and what to do next."""

import streamlit as st

from data import figures, info
from data.importing import NO_LABEL
from pages.widgets import badges, chooser, next_step, resources

collection = chooser.collection()
store = resources.workspace().store
facts = next(entry for entry in info.describe(store) if entry["collection"] == collection.name)
progress = info.progress(store, collection.name)
crops = info.crops_by_region(store, collection.name)
unlabelled = sum(record["samples"] for record in crops if record["code"] == NO_LABEL.code)

badges.collection_badge(collection)
with st.container(horizontal=True):
    st.metric("Samples", f"{facts['samples']:,}")
    if unlabelled:
        st.metric(
            "No label",
            f"{unlabelled:,}",
            help="The inventory's code is not known. Models learn from these once a crop is chosen in Verify.",
        )
    st.metric("Images", f"{facts['images']:,}")
    st.metric("Cloudy", f"{facts['cloudy']:,}", help="Screened at import; curators overrule with Q.")
    st.metric("Dates × bands", f"{'' if collection.aligned else '≤ '}{facts['dates']} × {facts['bands']}")
    st.metric("Verified", f"{progress.agreed + progress.relabelled:,}")
    st.metric("Flagged", f"{progress.flagged:,}")

st.plotly_chart(figures.progress_figure(progress), key="overview.progress", config={"displayModeBar": False})
next_step.show(resources.workspace(), collection, progress)

left, right = st.columns(2)
with left:
    st.markdown("##### Samples by inventory label and region")
    st.plotly_chart(figures.crops_figure(crops), key="overview.crops")
with right:
    st.markdown("##### Images by month and quality")
    st.plotly_chart(figures.months_figure(info.images_by_month(store, collection.name)), key="overview.months")
st.caption(f"{collection.attribution} Licence: {collection.licence}.")

st.markdown("##### All collections")
st.dataframe(
    [
        {
            "Collection": entry["collection"], "Imagery": "simulated" if entry["simulated"] else "real",
            "Samples": entry["samples"], "Images": entry["images"], "Dates": entry["dates"], "Bands": entry["bands"],
            "Patch (px)": f"{entry['height']} × {entry['width']}", "From": entry["first"], "To": entry["last"],
            "Decided": info.progress(store, entry["collection"]).decided, "Licence": entry["licence"],
        }
        for entry in info.describe(store)
    ],
    hide_index=True,
    key="overview.collections",
)  # fmt: skip
