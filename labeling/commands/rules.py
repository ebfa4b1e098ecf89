"""`python -m labeling rules`: a collection's rules for the team, read and changed."""

from dataclasses import asdict, fields, replace
from typing import Any

import click

from data import catalogue
from data import workspace as workspaces
from data.command import as_json, report
from data.errors import BadInput
from labeling import policy
from labeling.policy import Policy


def _share(name: str):
    return click.option(f"--{name.replace('_', '-')}", type=float, help=policy.RULES[name][1])


@click.command("rules")
@click.option("--collection", required=True)
@_share("second_share")
@_share("least_agreement")
@_share("control_share")
@_share("repeat_share")
@click.option("--blind/--no-blind", default=None, help=policy.RULES["blind"][1])
@click.option("--mix", multiple=True, metavar="KIND=SHARE", help=f"Again for every kind: {', '.join(policy.MIXABLE)}. Others get none.")
@click.option("--defaults", is_flag=True, help="Begin with the rules that a new collection has.")
@as_json
def command(collection: str, mix: tuple[str, ...], defaults: bool, as_json: bool, **given: Any) -> None:
    """Print a collection's rules, or change those that are given."""
    store = workspaces.current().open().store
    catalogue.collection(store, collection)
    before = policy.read(store, collection)
    wanted = {name: value for name, value in given.items() if value is not None} | ({"mix": _shares(mix)} if mix else {})
    rules = replace(Policy() if defaults else before, **wanted)
    if defaults or wanted:
        policy.write(store, collection, rules)
    report({"collection": collection, "rules": asdict(rules)}, _text(rules), as_json=as_json)


def _shares(given: tuple[str, ...]) -> dict[str, float]:
    shares = {}
    for entry in given:
        kind, _, share = entry.partition("=")
        try:
            shares[kind] = float(share)
        except ValueError:
            raise BadInput(f"--mix takes KIND=SHARE, such as suspects=0.5, not {entry!r}.") from None
    return shares


def _text(rules: Policy) -> str:
    lines = []
    for rule in fields(rules):
        value = getattr(rules, rule.name)
        shown = ", ".join(f"{kind} {share:g}" for kind, share in value.items()) if rule.name == "mix" else value
        lines.append(f"{rule.name}: {shown}\n    {policy.RULES[rule.name][1]}")
    return "\n".join(lines)
