"""The rules of a collection as a form: what each does, and what it is."""

import streamlit as st

from data.errors import CropcheckError
from data.store import Store
from labeling import policy, team
from labeling.policy import Policy
from pages.widgets.plain import escaped

FORMATS = {"second_share": "percent", "least_agreement": "%.2f", "control_share": "percent", "repeat_share": "percent"}
RESULT = "team.rules.result"


def show(store: Store, collection: str, curator: str) -> None:
    """The form; reviewers and administrators may save it, and in a team without anybody whoever is first."""
    rules = policy.read(store, collection)
    known = team.find(store, curator)
    allowed = known.may(team.REVIEWER) if known else not team.curators(store)
    st.subheader("Rules of this collection")
    with st.form(f"team.rules.{collection}", border=True):
        for name, form in FORMATS.items():
            title, said = policy.RULES[name]
            value = float(getattr(rules, name))
            st.slider(title, 0.0, 1.0, value, 0.01, format=form, key=_key(collection, rules, name), disabled=not allowed)
            st.caption(said)
        title, said = policy.RULES["blind"]
        st.toggle(title, rules.blind, key=_key(collection, rules, "blind"), disabled=not allowed)
        st.caption(said)
        st.form_submit_button(
            "Save the rules", key="team.rules.save", type="primary", disabled=not allowed, on_click=_save,
            args=(store, collection, curator, rules),
        )  # fmt: skip
    st.caption("The shares of the mixed queue are set where it is chosen, on the page Verify.")
    if not allowed:
        st.caption("Reviewers and administrators change the rules.")
    _say_result()


def _key(collection: str, rules: Policy, name: str) -> str:
    """Of a widget. It bears the value in force: where somebody else changes that, the widget begins anew."""
    return f"team.rule.{collection}.{name}.{getattr(rules, name)}"


def _save(store: Store, collection: str, curator: str, before: Policy) -> None:
    """Put what the form says in force; the rules that it does not show stay as they are now."""
    wanted = {name: st.session_state[_key(collection, before, name)] for name in (*FORMATS, "blind")}
    try:
        team.require(store, team.joined(store, curator).name, team.REVIEWER)
        policy.write(store, collection, Policy(**wanted, mix=policy.read(store, collection).mix))
        st.session_state[RESULT] = None
    except CropcheckError as error:
        st.session_state[RESULT] = str(error)


def _say_result() -> None:
    if RESULT not in st.session_state:
        return
    fault = st.session_state.pop(RESULT)
    if fault:
        st.error(escaped(fault), icon=":material/error:")
    else:
        st.toast("The rules are in force.", icon=":material/check:")
