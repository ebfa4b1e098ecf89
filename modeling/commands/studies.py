"""`python -m modeling studies`: list the studies, or print the table of one."""

from dataclasses import asdict

import click

from data import workspace as workspaces
from data.command import as_json, report
from modeling.commands.study import tell
from modeling.studies import control, studydir


@click.command("studies")
@click.argument("name", required=False)
@as_json
def command(name: str | None, as_json: bool) -> None:
    """List the studies, newest first; with a NAME, print the table of that one as far as it has come."""
    workspace = workspaces.current().open()
    if name:
        tell(workspace, studydir.at(workspace, name), as_json=as_json)
        return
    found = control.listing(workspace)
    lines = [f"{one.name}  {one.state}  {one.kind} of {one.collection}  {one.done}/{one.total} runs" for one in found]
    lines = lines or ["No studies yet. Start one with: python -m modeling study indices --collection NAME"]
    report({"studies": [asdict(one) for one in found]}, "\n".join(lines), as_json=as_json)
