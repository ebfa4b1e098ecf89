"""Agreement on the Quality page: in all, by class, by pair, and of curators with themselves."""

import streamlit as st

from data.workspace import Workspace
from labeling import policy, team
from labeling.queues import Queue
from labeling.trust import agreement, figures, tables
from labeling.trust.agreement import Agreement, SelfAgreement
from pages.widgets import plain, quality_parts, resources

UNSURE = {"category": "is an answer like another", "missing": "is no answer"}


def show(workspace: Workspace, collection: str) -> None:
    """Figures, then the tables under them; without any answers to compare, how to come by some."""
    unsure = st.session_state.get("quality.unsure", "category")
    found, selves = resources.agreement(workspace, collection, unsure)
    if not found.units and not selves:
        _empty(collection)
        return
    least = policy.read(workspace.store, collection).least_agreement
    names = tables.class_names(workspace.store, collection)
    if found.units:
        _headline(found)
        _weak(workspace, collection, found, names, least)
        left, right = st.columns([5, 4], gap="large")
        with left:
            st.plotly_chart(figures.class_agreement(found.classes, names, least=least), key="quality.classes", config=quality_parts.QUIET)
            st.caption("Each class against all others, with the samples that somebody gave it, and 95 % bootstrap intervals.")
        with right:
            _tables(collection, found, names)
    _selves(collection, selves)
    st.segmented_control("Unsure", list(UNSURE), default="category", format_func=UNSURE.get, required=True, key="quality.unsure")
    st.caption(
        "Answers: second looks, which are blind, and first looks that were given without seeing another's decision; the newest of each "
        "curator. Controls and settled conflicts do not count. Definitions and limits: docs/trust.md."
    )


def _empty(collection: str) -> None:
    quality_parts.nothing_yet(
        "No second looks yet: agreement needs samples that two curators answered independently. Work through the queue of second looks in "
        "Verify; who works alone can have samples served again by the rule *repeat share* on the page Team.",
        ":material/group:", collection, label="Give second looks", queue=Queue("second"), key="quality.second",
    )  # fmt: skip


def _headline(found: Agreement) -> None:
    with st.container(horizontal=True):
        for label, of, help_text in (
            ("Raw agreement", found.raw, "The share of pairs of answers that are the same."),
            ("Cohen's kappa", found.kappa, "The first answer to a sample against the second, beyond what chance gives."),
            (
                f"Fleiss' kappa, {found.fleiss_raters} answers each", found.fleiss,
                f"Of the {found.fleiss_units:,} samples with {found.fleiss_raters} answers: it takes the same number on each.",
            ),
            ("Krippendorff's alpha", found.alpha, "Of all samples with two answers or more."),
        ):  # fmt: skip
            value = "–" if of.value is None else f"{of.value:.3f}"
            spread = f" ({of.low:.2f}–{of.high:.2f})" if of.low is not None else ""
            st.metric(f"{label}{spread}", value, help=f"{help_text} {f'Here: {of.reason}.' if of.reason else ''}")
        st.metric("Samples", f"{found.units:,}", help=f"With {found.answers:,} answers.")


def _weak(workspace: Workspace, collection: str, found: Agreement, names: dict[str, str], least: float) -> None:
    """Names the classes below the rule; a reviewer can send them to a second curator."""
    weak = agreement.weak_classes(found, least)
    if not weak:
        return
    listed = ", ".join(f"{plain.escaped(names.get(one.name, one.name))} ({one.kappa.value:.2f})" for one in weak)
    st.warning(f"Kappa below {least:g}: {listed}.", icon=":material/warning:")
    known = team.find(workspace.store, st.session_state["curator"])
    if known and known.may("reviewer"):
        st.button(
            "Send them to a second curator", icon=":material/group:", key="quality.ask", on_click=_ask, args=(workspace, collection, found)
        )


def _ask(workspace: Workspace, collection: str, found: Agreement) -> None:
    team.require(workspace.store, st.session_state["curator"], "reviewer")
    asked = agreement.ask_again(workspace.store, collection, found)
    st.toast(f"{asked:,} more samples wait for a second curator.", icon=":material/group:")


def _tables(collection: str, found: Agreement, names: dict[str, str]) -> None:
    by_class, by_pair = st.tabs(["By class", "By pair"])
    with by_class:
        quality_parts.table("quality.by_class", f"{collection}-agreement-classes", tables.classes(found, names))
    with by_pair:
        quality_parts.table("quality.by_pair", f"{collection}-agreement-pairs", tables.pairs(found), hidden=("Raw, 95 %",))


def _selves(collection: str, selves: list[SelfAgreement]) -> None:
    if selves:
        st.markdown("##### Curators with their own earlier answers")
        quality_parts.table("quality.selves", f"{collection}-agreement-repeats", tables.with_self(selves))
