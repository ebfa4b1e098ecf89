"""A team's rules for a collection: who looks again, how often curators are tried, and what the mixed queue is made of."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from sqlite_utils import Database

from data import catalogue
from data.errors import BadInput
from data.store import Store

MIX = {"suspects": 0.3, "outliers": 0.2, "disagrees": 0.1, "rotation": 0.1, "purity": 0.1, "audit": 0.2}
MIXABLE = ("suspects", "disagrees", "border", "outliers", "rotation", "purity", "gaps", "unverified", "audit")  # kinds of queue
# Rule -> its name and what it does, for people.
RULES = {
    "second_share": ("Second looks", "Share of all decisions that a second curator sees again, blind. Unsure and flagged ones all are."),
    "least_agreement": (
        "Least agreement",
        "Cohen's kappa of a class under which all its decisions go to a second curator. 0 switches this off.",
    ),
    "control_share": (
        "Controls",
        "Share of the cards that try the curator: their label is known, and half of them show a wrong one on purpose.",
    ),
    "repeat_share": (
        "Repeats",
        "Share of the cards that the curator has decided before, to see whether they decide alike: the way to try a team of one.",
    ),
    "blind": ("Blind", "Inventory label and prediction stay hidden until the first answer: slower, and nobody just agrees."),
    "mix": ("Mixed queue", "What the mixed queue is made of; the shares are made to sum to one."),
}


@dataclass(frozen=True)
class Policy:
    """The rules. Shares are 0..1.

    second_share: of all decisions that a second curator looks at again; unsure and flagged ones always are.
    least_agreement: Cohen's kappa of a class below which all its decisions go to a second curator.
    control_share: of the cards that are controls, half of them with a deliberately wrong label.
    repeat_share: of the cards that a curator has decided before, to see whether they decide alike. With it, controls are made of a
        curator's own older decisions too: the way to try a team of one.
    blind: inventory label and prediction stay hidden until the first answer.
    mix: kind of queue -> its share of the mixed queue; in any unit, they are made to sum to one.
    """

    second_share: float = 0.1
    least_agreement: float = 0.6
    control_share: float = 0.03
    repeat_share: float = 0.0
    blind: bool = False
    mix: Mapping[str, float] = field(default_factory=lambda: dict(MIX))

    def __post_init__(self) -> None:
        """Raises BadInput where a rule is out of range."""
        for name in ("second_share", "least_agreement", "control_share", "repeat_share"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise BadInput(f"The rule {name} is a share from 0 to 1, not {value!r}.")
        if not isinstance(self.blind, bool):
            raise BadInput(f"The rule blind is true or false, not {self.blind!r}.")
        unknown = [kind for kind in self.mix if kind not in MIXABLE]
        if unknown:
            raise BadInput(f"The mixed queue cannot hold {', '.join(map(repr, unknown))}. It can hold {', '.join(MIXABLE)}.")
        if not all(_is_amount(share) for share in self.mix.values()) or not sum(self.mix.values()):
            raise BadInput(f"The shares of the mixed queue are numbers from 0, not all 0, not {dict(self.mix)!r}.")


def _is_amount(share: object) -> bool:
    return isinstance(share, int | float) and not isinstance(share, bool) and math.isfinite(share) and share >= 0


def read(store: Store, collection: str) -> Policy:
    """The collection's rules, or the defaults."""
    with store.reading() as db:
        return of_collection(db, collection)


def of_collection(db: Database, collection: str) -> Policy:
    """The same, inside a transaction."""
    row = db.execute("select rules from policy where collection = ?", [collection]).fetchone()
    known = {entry.name for entry in fields(Policy)}
    return Policy(**{name: value for name, value in json.loads(row["rules"]).items() if name in known}) if row else Policy()


def write(store: Store, collection: str, policy: Policy) -> None:
    """Put the rules in force.

    Raises:
        UnknownCollection: there is no such collection.
    """
    catalogue.collection(store, collection)
    with store.writing() as db:
        db.execute("insert or replace into policy (collection, rules) values (?, ?)", [collection, json.dumps(asdict(policy))])
