"""`python -m labeling curators`: who is in the team, new curators, other roles and logins.

Whoever can run this on the server's machine can also open the store itself, so it asks for no role.
"""

from dataclasses import asdict

import click

from data import workspace as workspaces
from data.command import as_json, report
from data.errors import BadInput
from data.store import Store
from labeling import team
from labeling.team import Activity, Curator

role = click.option("--role", type=click.Choice(team.ROLES), help="What they may do; each role may do what the ones before it may.")
login = click.option("--login", help='What the company\'s login calls them, as a rule their e-mail address; "" takes it away.')


@click.group("curators", invoke_without_command=True)
@as_json
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the curators, add one, or change what one may do."""
    if context.invoked_subcommand is None:
        _list(as_json=as_json)


@command.command("list")
@as_json
def list_curators(as_json: bool) -> None:
    """List the curators: name, role, login, whether active, decisions, and when they said something last."""
    _list(as_json=as_json)


@command.command()
@click.argument("name")
@role
@login
@as_json
def add(name: str, role: str | None, login: str | None, as_json: bool) -> None:
    """Add a curator; the first is the administrator unless --role says otherwise. A name is for good: decisions bear it."""
    _tell(team.add(_store(), name, role=role, login=login), as_json=as_json)


@command.command()
@click.argument("name")
@role
@login
@click.option("--active/--inactive", default=None, help="Inactive: has left, and decides no longer; their decisions stay.")
@as_json
def change(name: str, role: str | None, login: str | None, active: bool | None, as_json: bool) -> None:
    """Give a curator another role or login, or let them leave or come back."""
    if (role, login, active) == (None, None, None):
        raise BadInput("Nothing to change: give --role, --login, --active or --inactive.")
    _tell(team.change(_store(), name, role=role, login=login, active=active), as_json=as_json)


def _store() -> Store:
    return workspaces.current().open().store


def _list(*, as_json: bool) -> None:
    store = _store()
    done = team.activity(store)
    known = [(one, done.get(one.name, Activity(0, None))) for one in team.curators(store)]
    lines = [f"{_line(one)}, {did.decisions} decisions" for one, did in known]
    empty = "No curators yet: the first who decides joins as administrator. Or: python -m labeling curators add NAME"
    report({"curators": [asdict(one) | asdict(did) for one, did in known]}, "\n".join(lines) or empty, as_json=as_json)


def _tell(curator: Curator, *, as_json: bool) -> None:
    report(asdict(curator), _line(curator), as_json=as_json)


def _line(curator: Curator) -> str:
    marks = [f"login {curator.login}" if curator.login else "no login", *([] if curator.active else ["no longer active"])]
    return f"{curator.name}: {curator.role}, {', '.join(marks)}"
