"""The curators as a table that administrators may change, and who is at work now."""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import pandas as pd
import streamlit as st

from data.errors import CropcheckError, NotAllowed
from data.store import Store
from data.workspace import Workspace
from labeling import leases, team
from labeling.team import Activity, Curator
from pages.widgets import resources
from pages.widgets.plain import escaped

NAME, ROLE, LOGIN, ACTIVE, DECISIONS, LAST = "Name", "Role", "Login", "Active", "Decisions", "Last decision (UTC)"
CHANGES = {ROLE: "role", LOGIN: "login", ACTIVE: "active"}  # column -> argument of `labeling.team.change`


def show(workspace: Workspace, collection: str, curator: str) -> None:
    """The table; for an administrator with a form to add a curator, and with roles, logins and activity to be changed in place."""
    store = workspace.store
    known = team.curators(store)
    st.subheader("Curators")
    _say_result()
    if not known:
        st.info(
            "Nobody has joined yet. The first who decides, or who saves something here, becomes the administrator.", icon=":material/group:"
        )
    me = team.find(store, curator)
    leads = me.may(team.ADMINISTRATOR) if me else not known
    if known:
        _table(workspace, known, leads=leads, curator=curator)
    if leads:
        _add(store, curator)
    elif known:
        st.caption(
            "Administrators add curators and change roles: " + ", ".join(escaped(one.name) for one in known if one.may(team.ADMINISTRATOR))
        )
    _at_work(store, collection)


def _table(workspace: Workspace, known: list[Curator], *, leads: bool, curator: str) -> None:
    frame = _frame(known, resources.activity(workspace))
    columns = {
        ROLE: st.column_config.SelectboxColumn(options=team.ROLES, required=True, help="Each may do what the ones before it may."),
        LOGIN: st.column_config.TextColumn(help="What the company's login calls them, as a rule their e-mail address."),
        ACTIVE: st.column_config.CheckboxColumn(help="Who is not active cannot decide; what they decided stays."),
        LAST: st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
    }
    if not leads:
        st.dataframe(frame, column_config=columns, hide_index=True, key="team.table")
        return
    key = f"team.table.{crc32(repr(known).encode())}"  # begins anew when the team changes
    st.data_editor(frame, column_config=columns, hide_index=True, disabled=[NAME, DECISIONS, LAST], key=key)
    edits = st.session_state[key]["edited_rows"]
    st.button(
        "Save changes", key="team.save", type="primary", disabled=not edits, on_click=_save, args=(workspace.store, curator, known, key),
        help="Roles, logins and who is active. At least one active administrator stays.",
    )  # fmt: skip


def _frame(known: list[Curator], done: dict[str, Activity]) -> pd.DataFrame:
    did = [done.get(one.name, Activity(0, None)) for one in known]
    return pd.DataFrame(
        {
            NAME: [one.name for one in known],
            ROLE: [one.role for one in known],
            LOGIN: [one.login or "" for one in known],
            ACTIVE: [one.active for one in known],
            DECISIONS: [one.decisions for one in did],
            LAST: pd.to_datetime([one.last for one in did], utc=True),
        }
    )


def _save(store: Store, curator: str, known: list[Curator], key: str) -> None:
    edits = st.session_state[key]["edited_rows"]
    faults = apply(store, curator, {known[int(row)].name: edit for row, edit in edits.items()})
    _result(f"{len(edits) - len(faults)} of {len(edits)} curators changed.", faults)


def apply(store: Store, curator: str, edits: dict[str, dict[str, Any]]) -> list[str]:
    """Make the table's edits (name -> column -> value), each by itself, new administrators first; returns what could not be and why."""
    faults = []
    try:
        team.require(store, curator, team.ADMINISTRATOR)
    except NotAllowed as error:
        return [str(error)] * len(edits)
    for name in sorted(edits, key=lambda name: edits[name].get(ROLE) != team.ADMINISTRATOR):
        wanted = {CHANGES[column]: "" if value is None else value for column, value in edits[name].items()}
        try:
            team.change(store, name, **wanted)
        except CropcheckError as error:
            faults.append(str(error))
    return faults


def _add(store: Store, curator: str) -> None:
    with st.form("team.add", clear_on_submit=False, border=True):
        name, role, login = st.columns([3, 2, 3])
        name.text_input("New curator", key="team.new.name", max_chars=team.LONGEST_NAME, placeholder="Name")
        role.selectbox("Role", team.ROLES, key="team.new.role")
        login.text_input("Login", key="team.new.login", placeholder="e-mail address; optional")
        st.form_submit_button("Add", key="team.new.add", on_click=_added, args=(store, curator))


def _added(store: Store, curator: str) -> None:
    state = st.session_state
    try:
        team.require(store, team.joined(store, curator).name, team.ADMINISTRATOR)
        new = team.add(store, state["team.new.name"], role=state["team.new.role"], login=state["team.new.login"])
    except CropcheckError as error:
        _result("", [str(error)])
        return
    state["team.new.name"] = state["team.new.login"] = ""
    state["team.new.role"] = team.ROLES[0]
    _result(f"{new.name} joined as {new.role}.", [])


def _at_work(store: Store, collection: str) -> None:
    st.subheader("At work now")
    holders = leases.holders(store, collection)
    if not holders:
        st.caption("Nobody has samples of this collection on their screen.")
        return
    frame = pd.DataFrame(holders, columns=[NAME, "Samples"])
    st.dataframe(
        frame, hide_index=True, key="team.work", column_config={"Samples": st.column_config.NumberColumn(help="On the screen, or soon.")}
    )


@dataclass(frozen=True)
class _Result:
    done: str
    faults: list[str]


def _result(done: str, faults: list[str]) -> None:
    st.session_state["team.result"] = _Result(done, faults)


def _say_result() -> None:
    result = st.session_state.pop("team.result", None)
    if result and result.faults:
        st.error("\n\n".join(escaped(fault) for fault in result.faults), icon=":material/error:")
    elif result:
        st.toast(escaped(result.done), icon=":material/check:")
