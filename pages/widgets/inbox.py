"""What reviewers decided where a curator had said something: the notice in the sidebar, and the letters on the Review page."""

import streamlit as st

from data.workspace import Workspace
from labeling import reviews
from labeling.reviews import Letter, Opinion

LONGEST = 1_000  # characters of a note that are shown


def badge(workspace: Workspace, curator: str) -> None:
    """One line in the sidebar while there are reviews of the curator's work that they have not read; nothing otherwise."""
    count = reviews.unread(workspace.store, curator)
    if count:
        label = f"{count:,} review{'s' if count > 1 else ''} of your work"
        st.sidebar.page_link("pages/review.py", label=label, icon=":material/mark_email_unread:", query_params={"view": "To you"})


def show(workspace: Workspace, curator: str) -> None:
    """The curator's letters, the newest first, of all collections."""
    letters = reviews.inbox(workspace.store, curator)
    if not letters:
        text = "Nobody has reviewed your work yet. When a reviewer settles a conflict you were part of, their reason comes here."
        st.info(text, icon=":material/inbox:")
        return
    agreed = sum(letter.agrees for letter in letters)
    st.markdown(f"Of {len(letters):,} settlements shown, **{agreed:,}** decide as you did.")
    if any(letter.new for letter in letters):
        st.button(
            "Mark all as read", icon=":material/mark_email_read:", key="review.read",
            on_click=reviews.mark_read, args=(workspace.store, curator, letters[0].event),
        )  # fmt: skip
    for letter in letters:
        _letter(letter)


def _letter(letter: Letter) -> None:
    with st.container(border=True, key=f"review.letter.{letter.event}"):
        what, said, ours = st.columns([2, 3, 3])
        with what:
            st.markdown(
                (":orange-badge[new] " if letter.new else "") + (":green-badge[as you]" if letter.agrees else ":gray-badge[otherwise]")
            )
            st.text(letter.name)
            st.caption(f"{letter.collection}, {letter.settlement.at[:16].replace('T', ' ')}")
        with said:
            st.text(f"{letter.settlement.curator} decided: {letter.settlement.said}")
            note = letter.settlement.note
            st.text(_shortened(note) if note else "No reason was written down.")
        with ours:
            st.text(_told("You", letter.yours))
            for other in letter.others:
                st.text(_told(other.curator, other))


def _told(who: str, opinion: Opinion) -> str:
    return f"{who} said: {opinion.said}" + (f"\n{_shortened(opinion.note)}" if opinion.note else "")


def _shortened(note: str) -> str:
    """A note in quotes, the start of one that is as long as a book."""
    note = note.strip()
    return f"“{note}”" if len(note) <= LONGEST else f"“{note[:LONGEST]} …” (whole on the page History)"
