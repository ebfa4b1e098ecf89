"""The views of the Review page, one function each: conflicts as cards, second looks by why they are due, settlements as a table."""

from functools import partial

import streamlit as st

from data.catalogue import Collection
from data.errors import CropcheckError
from data.workspace import Workspace
from labeling import pictures, queues, reviews, team
from labeling.pictures import Picture
from labeling.queues import Queue
from labeling.reviews import Counts, Opinion, Review
from labeling.team import Curator

AT_ONCE = 10  # cards, before one asks for more
PICTURE_PX = 132
LONG = 160  # characters of a note that scrolls in its card
LOOKS = {"first": "first look", "second": "second look", "adjudication": "reviewer"}


def headline(counts: Counts, new: int) -> None:
    """How many of what there are."""
    states = counts.states
    with st.container(horizontal=True):
        st.metric("Second looks due", f"{states['due']:,}", help="Decisions that a second curator is to look at again.")
        st.metric("Due for you", f"{counts.for_you:,}", help="The others had their first look from you: nobody looks again at their own.")
        st.metric("Agreed", f"{states['agreed']:,}", help="Two curators said the same.")
        st.metric("Conflicts", f"{states['conflict']:,}", help="They did not; a reviewer settles it.")
        st.metric("Settled", f"{states['settled']:,}", help="A reviewer has decided.")
        st.metric("New to you", f"{new:,}", help="Reviews of your own work in any collection that you have not marked as read.")


def conflicts(workspace: Workspace, collection: Collection, counts: Counts, curator: Curator | None) -> None:
    """Every conflict with all answers and the evidence; who may settle them opens them in Verify."""
    if not counts.states["conflict"]:
        text = (
            "No conflicts. Where two curators say different things of a sample, it comes here with both answers, for a reviewer to settle."
        )
        st.info(text, icon=":material/handshake:")
        return
    free: set[int] = set()
    if curator is not None and curator.may("reviewer"):
        free = set(
            queues.following(workspace.store, collection.name, Queue("conflicts"), None, counts.states["conflict"], curator=curator.name)
        )
        st.button(
            "Settle them one by one", type="primary", icon=":material/gavel:", key="review.settle", disabled=not free,
            on_click=_leave, args=("conflicts",),
        )  # fmt: skip
        if len(free) < counts.states["conflict"]:
            st.caption("Where you gave one of the answers, another reviewer settles it.")
    else:
        st.info(
            "Reviewers settle conflicts. What they decide where you had an answer comes to you, under “To you”.", icon=":material/gavel:"
        )
        st.text(f"Reviewers: {_reviewers(workspace)}")
    shown = st.session_state.setdefault("review.shown", AT_ONCE)
    for review in reviews.conflicts(workspace.store, collection.name, limit=shown):
        _card(workspace, review, may=review.sample in free)
    if counts.states["conflict"] > shown:
        more = f"Show more ({counts.states['conflict'] - shown:,} left)"
        st.button(more, key="review.more", on_click=partial(st.session_state.update, {"review.shown": shown + AT_ONCE}))
    _go(collection)


def _reviewers(workspace: Workspace) -> str:
    names = [one.name for one in team.curators(workspace.store) if one.may("reviewer")]
    return ", ".join(names) or "nobody yet; an administrator makes somebody one on the page Team"


def _card(workspace: Workspace, review: Review, *, may: bool) -> None:
    with st.container(border=True, key=f"review.card.{review.sample}"):
        picture, evidence, *answers, act = st.columns([1.6, 2.6, *[2.4] * max(2, len(review.opinions)), 1.2])
        with picture:
            _picture(workspace, review.sample)
        with evidence:
            _evidence(review)
        for column, opinion in zip(answers, review.opinions, strict=False):
            with column:
                _answer(opinion)
        if may:
            act.button(
                "Settle",
                width="stretch",
                key=f"review.settle.{review.sample}",
                icon=":material/gavel:",
                on_click=_leave,
                args=("conflicts", review.name),
            )


def _picture(workspace: Workspace, sample: int) -> None:
    try:
        found = _greenest(workspace, sample)
    except CropcheckError as error:
        st.caption(str(error))
        return
    if found:
        st.image(found.pixels, width=PICTURE_PX, caption=found.acquired)


@st.cache_data(ttl=600, max_entries=500, show_spinner=False)
def _greenest(workspace: Workspace, sample: int) -> Picture | None:
    return pictures.greenest(workspace, sample)


def _evidence(review: Review) -> None:
    """st.text here and below: names of samples, crops and curators, and notes, are others' words and never markup."""
    place = f" · {review.region}" if review.region else ""
    lines = [f"{review.name} · {review.year}{place}", f"Inventory: {review.inventory}, purity {review.purity:.0%}"]
    if review.prediction:
        run, predicted, probability = review.prediction
        lines.append(f"Model: {predicted}, {probability:.0%}\n({run.removeprefix(f'{review.collection}-')})")
    lines.append(f"Why again: {reviews.WHYS[review.why]}")
    st.text("\n".join(lines))


def _answer(opinion: Opinion) -> None:
    st.text(f"{opinion.curator}: {opinion.said}")
    st.caption(f"{LOOKS[opinion.look]}{', blind' if opinion.blind else ''}, {opinion.at[:16].replace('T', ' ')}")
    if opinion.note:
        with st.container(height=110 if len(opinion.note) > LONG else "content", border=False):
            st.text(f"“{opinion.note.strip()}”")


def second_looks(collection: Collection, counts: Counts) -> None:
    """Why second looks are due, and the way to them."""
    if not counts.states["due"]:
        text = (
            "No second looks are due. A share of all decisions, every unsure or flagged one and every crop on which curators agree little "
            "come here; the rules are on the page Team."
        )
        st.info(text, icon=":material/done_all:")
        return
    label = f"Look again at {counts.for_you:,}" if counts.for_you else "None of them is for you"
    st.button(
        label, type="primary", icon=":material/visibility:", key="review.second", disabled=not counts.for_you,
        on_click=_leave, args=("second",),
        help="What you looked at first goes to others. The card hides the first answer, and the labels too where the team works blind.",
    )  # fmt: skip
    st.dataframe(
        [{"Why": reviews.WHYS[why].capitalize(), "Due": count} for why, count in counts.due_why.items()],
        hide_index=True, key="review.why", width=560,
    )  # fmt: skip
    _go(collection)


def settled(workspace: Workspace, collection: Collection) -> None:
    """What reviewers settled, the newest first."""
    found = reviews.settled(workspace.store, collection.name)
    if not found:
        st.info("Nothing is settled yet. A reviewer settles conflicts in Verify, with a note that says why.", icon=":material/gavel:")
        return
    rows = [
        {
            "Sample": review.name, "Inventory": review.inventory,
            "Answers": "; ".join(f"{opinion.curator}: {opinion.said}" for opinion in review.opinions),
            "Settled": review.settlement.said, "Reviewer": review.settlement.curator, "Reason": review.settlement.note or "",
            "When": review.settlement.at[:16].replace("T", " "),
        }
        for review in found
        if review.settlement
    ]  # fmt: skip
    st.dataframe(rows, hide_index=True, key="review.settled")


def _leave(queue: str, sample: str | None = None) -> None:
    """Ask for a queue; the page leaves for Verify on its next run."""
    st.session_state["review.go"] = {"queue": queue} | ({"sample": sample} if sample else {})


def _go(collection: Collection) -> None:
    if wanted := st.session_state.pop("review.go", None):
        st.switch_page("pages/verify.py", query_params={"collection": collection.name} | wanted)
