"""`python -m labeling restore`: put a backup in force again."""

from dataclasses import asdict
from pathlib import Path

import click

from data import backups, restoring
from data import workspace as workspaces
from data.command import as_json, report
from data.restoring import Restored


@click.command("restore")
@click.argument("file")
@click.option("--older", is_flag=True, help="Even though the store has events that the backup has not.")
@click.option("--damaged", is_flag=True, help="The store cannot be read: move it aside. Stop every Cropcheck process first.")
@as_json
def command(file: str, older: bool, damaged: bool, as_json: bool) -> None:
    """Put the backup FILE in force: the name of one, or the path of a file.

    The present state is kept as a backup first. Others may be at work: they see the old state, then the restored one.
    """
    workspace = workspaces.current()
    path = workspace.backups / file if backups.NAME.fullmatch(file) else Path(file)
    done = restoring.restore(workspace, path, older=older, damaged=damaged)
    report(asdict(done), "\n".join(lines(done)), as_json=as_json)


def lines(done: Restored) -> list[str]:
    """What a restore did, for people, with the way back."""
    told = [f"Restored {done.file}: {done.events:,} events."]
    if done.lost:
        told.append(f"{done.lost:,} {'event is' if done.lost == 1 else 'events are'} no longer in force; the backup of before has them.")
    if done.safety:
        told.append(f"Back to the state before: python -m labeling restore {done.safety.name}")
    if done.aside:
        told.append(f"What was there before lies in {done.aside}")
    if done.missing:
        told.append(f"{len(done.missing)} files of pixels are gone since, {done.missing[0]} for one: copy them back, or import again.")
    return told
