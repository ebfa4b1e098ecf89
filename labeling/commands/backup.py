"""`python -m labeling backup`: copy the store while curators work, and list the copies."""

from dataclasses import asdict

import click

from data import backups
from data import workspace as workspaces
from data.backups import Backup
from data.command import as_json, report


@click.command("backup")
@click.option("--keep", type=click.IntRange(1), default=backups.KEPT, show_default=True, help="How many of the newest stay.")
@click.option("--list", "only_list", is_flag=True, help="List the backups that there are, and make none.")
@as_json
def command(keep: int, only_list: bool, as_json: bool) -> None:
    """Copy the store, check the copy, and remove old ones.

    Curators can go on deciding. Beside the newest, the last backup of each of seven days and of each of eight weeks stays. Pixels are
    not in it: copy the folder patches/ once.
    """
    workspace = workspaces.current().open()
    if only_list:
        found = backups.listing(workspace)
        text = "\n".join(map(line, found)) or "No backups yet. Make one with: python -m labeling backup"
        report({"backups": [asdict(one) for one in found]}, text, as_json=as_json)
        return
    made = backups.backup(workspace, keep=keep)
    report(asdict(made), f"{workspace.backups / made.name}\n{line(made)}", as_json=as_json)


def line(one: Backup) -> str:
    """A backup for people."""
    return f"{one.name}  {one.made}  {one.bytes / 1e6:.1f} MB, {one.events:,} events up to {one.newest}, {one.why}"
