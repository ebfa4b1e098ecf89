"""Backups of the store: make one, take one away, and put one in force again."""

import streamlit as st

from data import backups, restoring, versions
from data.backups import Backup
from data.catalogue import Collection
from data.workspace import Workspace
from labeling import team
from labeling.history import Viewer
from pages.widgets import history_parts as parts


@st.cache_data(max_entries=16, show_spinner="Holding the backup against the store")
def _lost(workspace: Workspace, name: str, newest: int) -> int:
    """Kept until something is decided."""
    return restoring.lost(workspace, backups.path_of(workspace, name))


def show(workspace: Workspace, collection: Collection, who: Viewer) -> None:
    parts.told()
    known = backups.listing(workspace)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Back up now", type="primary", icon=":material/backup:", key="history.backup", on_click=_made, args=(workspace,))
        st.caption(
            f"A whole, checked copy of all decisions and the catalogue, of all collections. The newest {backups.KEPT} stay, and the last "
            f"of each of {backups.DAYS} days and {backups.WEEKS} weeks. Everybody can work on meanwhile."
        )
    if not known:
        st.info("No backups yet. Make one here, or every night with `python -m labeling backup`.", icon=":material/backup:")
        return
    picked = st.dataframe(
        [
            {"Made (UTC)": parts.moment(one.made), "Events": one.events, "Newest event": one.newest, "MB": one.bytes / 1e6,
             "Why": one.why, "File": one.name}
            for one in known
        ],
        hide_index=True, key="history.backups", on_select="rerun", selection_mode="single-row", height=min(320, 38 + 35 * len(known)),
        column_config={"MB": st.column_config.NumberColumn(format="%.1f"), "Newest event": st.column_config.NumberColumn(format="%d")},
    )["selection"]["rows"]  # fmt: skip
    administrator = (found := team.find(workspace.store, who.name)) is not None and found.may("administrator")
    if not administrator:
        st.caption("Administrators take backups away and restore them: a backup holds everybody's answers to controls.")
    elif picked and picked[0] < len(known):
        _chosen(workspace, known[picked[0]], who)
    else:
        st.caption("Tick a backup to download or restore it.")


def _made(workspace: Workspace) -> None:
    made = parts.attempt(backups.backup, workspace)
    if made:
        parts.tell(f"Made and checked: {made.name}, {made.events:,} events, {made.bytes / 1e6:.1f} MB")


def _chosen(workspace: Workspace, one: Backup, who: Viewer) -> None:
    path = backups.path_of(workspace, one.name)
    st.download_button(
        "Download", path.read_bytes, one.name, "application/vnd.sqlite3", icon=":material/download:", key="history.download",
        on_click="ignore",
    )  # fmt: skip
    lost = parts.attempt(_lost, workspace, one.name, versions.newest(workspace.store))
    if lost is None:
        parts.told()
        return
    with st.container(border=True):
        st.text(f"Restore {one.name}")
        st.markdown(
            (
                f"**{lost:,} events that the store has are not in it** and would no longer be in force."
                if lost
                else "It has all events of now."
            )
            + " The present state is kept as a backup first, which leads back. Everybody sees the restored state at once."
        )
        typed = st.text_input("Type the word restore to confirm", key=f"history.confirm.{one.name}", width=320)
        st.button(
            "Restore", icon=":material/settings_backup_restore:", key="history.restore", disabled=typed.strip() != "restore",
            on_click=_restored, args=(workspace, one.name, who.name),
        )  # fmt: skip


def _restored(workspace: Workspace, name: str, by: str) -> None:
    if parts.attempt(team.require, workspace.store, by, "administrator") is None:
        return
    done = parts.attempt(restoring.restore, workspace, backups.path_of(workspace, name), older=True)
    if done:
        st.cache_data.clear()
        parts.tell(
            f"Restored: {done.events:,} events. {done.lost or 0:,} are no longer in force; {done.safety.name} has them and leads back."
        )
