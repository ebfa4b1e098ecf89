"""`python -m labeling agreement`: how far curators agree with each other and with themselves."""

from dataclasses import asdict

import click

from data import workspace as workspaces
from data.command import as_json, report
from labeling.trust import agreement, tables


@click.command("agreement")
@click.option("--collection", required=True)
@click.option(
    "--unsure", type=click.Choice(["category", "missing"]), default="category", help="Whether 'unsure' is an answer like another."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.option("--ask", is_flag=True, help="Send the classes below the rule least_agreement to a second curator.")
@as_json
def command(collection: str, unsure: str, seed: int, ask: bool, as_json: bool) -> None:
    """Print raw agreement, kappas and Krippendorff's alpha with 95 % bootstrap intervals, by class and by pair of curators."""
    store = workspaces.current().open().store
    found = agreement.measured(agreement.ratings(store, collection, unsure=unsure), seed=seed)
    selves = agreement.with_self(store, collection, unsure=unsure, seed=seed)
    figures = {"collection": collection, "unsure": unsure} | asdict(found) | {"with_self": [asdict(one) for one in selves]}
    text = _text(collection, found, selves, tables.class_names(store, collection))
    if ask:
        figures["asked"] = agreement.ask_again(store, collection, found)
        text += f"\n{figures['asked']} more samples of weak classes wait for a second curator."
    report(figures, text, as_json=as_json)


def _text(collection: str, found: agreement.Agreement, selves: list[agreement.SelfAgreement], names: dict[str, str]) -> str:
    if not found.units and not selves:
        return f"No sample of {collection} has two independent answers yet. The queue of second looks in Verify makes them."
    parts = [f"{collection}: {found.units} samples with {found.answers} answers"]
    for title, rows in (
        ("Overall", tables.overall(found)), ("One class against the rest", tables.classes(found, names)), ("Pairs", tables.pairs(found)),
        ("With their own earlier answers", tables.with_self(selves)),
    ):  # fmt: skip
        parts += [title, tables.as_text(rows)] if rows else []
    return "\n".join(parts)
