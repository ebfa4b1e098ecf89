"""What a study compares: its variants, made from a kind, the user's choices and what the collection allows. No torch; no I/O.

A variant is one row of the study's table: a set of training settings, trained once for each seed. Every variant of a study shares its
split where the kind does not say otherwise, so that the rows are judged on the same samples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Any

from data.errors import CannotTrain
from data.seasons import MONTHS
from modeling import inputs, registry
from modeling.config import TrainConfig

FOLDS = 5  # unless the user says otherwise: every sample judges, so small collections give narrow intervals
INDEX_NAMES = ("NDVI", "NDRE", "EVI", "GNDVI", "NDVI45", "OSAVI", "PSRI")
INDICES, DATES, MODELS, SPLITS, LABELS = "indices", "dates", "models", "splits", "labels"
# Groups of the variants of a kind; figures draw each in its own way.
ONE_MONTH, TWO_MONTHS, FIRST_MONTHS = "one month", "two months", "first months"
MOST_PAIRS = 10  # of months; with more, only neighbouring months make a pair
MOST_SIDES, BLOCKS_PER_PART = 3, 2  # block sides that are tried, and the fewest blocks for each part
STEPS = 5  # of a learning curve beside all samples, each half as many as the one before
FEWEST_PER_CLASS = 4  # samples that a step of the curve holds for each class on average


@dataclass(frozen=True)
class Choices:
    """What the user asks for.

    model: of every variant; empty = the one that suits the collection. Not used by `models`.
    models: those that `models` compares; empty = all that suit the collection.
    seeds: how many times each variant is trained; 0 = 3 draws for `labels`, else once. The seeds count up from settings["seed"].
    sides: of the blocks that `splits` compares, in metres; empty = as the collection's extent allows.
    settings: of TrainConfig, the same for every variant, as far as the kind does not vary them.
    """

    kind: str
    collection: str
    model: str = ""
    models: tuple[str, ...] = ()
    seeds: int = 0
    sides: tuple[float, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Allowed:
    """What a collection allows.

    months: 1 ... 12 that have images which are not bad, in order. regions, years: of its labelled samples, in order.
    places: how many sites; blocks: side in metres -> in how many blocks they lie, from the smallest side up.
    labelled: labels -> how many samples have one; only labels that can be learned from.
    refused: labels that cannot be learned from -> why.
    """

    is_series: bool
    bands: tuple[str, ...]
    months: tuple[int, ...]
    regions: tuple[str, ...]
    years: tuple[int, ...]
    places: int
    blocks: Mapping[float, int]
    classes: int
    labelled: Mapping[str, int]
    refused: Mapping[str, str]


@dataclass(frozen=True)
class Variant:
    """One row. at: where it stands on the figure's axis (months, samples); None where the axis holds names."""

    label: str
    settings: Mapping[str, Any]
    group: str = ""
    at: float | None = None


@dataclass(frozen=True)
class Plan:
    """The variants with the configurations of each, one a seed, and notes on what was left out."""

    choices: Choices
    variants: tuple[tuple[Variant, tuple[TrainConfig, ...]], ...]
    notes: tuple[str, ...]

    @property
    def configs(self) -> list[TrainConfig]:
        """What is to be trained: variants that come to the same are trained once."""
        return list(dict.fromkeys(config for _, configs in self.variants for config in configs))


@dataclass(frozen=True)
class Kind:
    """A kind of study. question: what it answers, in a sentence. axis: what the variants differ by."""

    name: str
    title: str
    question: str
    axis: str
    vary: Callable[[Choices, Allowed], tuple[list[Variant], list[str]]]


def plan(choices: Choices, allowed: Allowed) -> Plan:
    """The variants of a study and how each is trained.

    Raises:
        UnknownModel: no model of that name.
        CannotTrain: no such kind, an impossible setting, or a collection that leaves nothing to compare.
    """
    kind, labels = named(choices.kind), choices.settings.get("labels", "inventory")
    if kind.name != LABELS and labels in allowed.refused:
        raise CannotTrain(allowed.refused[labels])
    variants, notes = kind.vary(choices, allowed)
    if len(variants) < 2:
        told = " ".join(notes)
        raise CannotTrain(f"The study {kind.name} finds {len(variants)} variants to compare in {choices.collection}; it needs 2. {told}")
    seeds = choices.seeds or (3 if kind.name == LABELS else 1)
    first = choices.settings.get("seed", 0)
    made = tuple((variant, tuple(_config(choices, allowed, variant, first + turn) for turn in range(seeds))) for variant in variants)
    return Plan(choices, made, tuple(notes))


def named(name: str) -> Kind:
    """The kind of study called `name`.

    Raises:
        CannotTrain: there is none.
    """
    if name not in KINDS:
        raise CannotTrain(f"There is no study {name!r}; choose one of {', '.join(KINDS)}.")
    return KINDS[name]


def model_of(choices: Choices, allowed: Allowed) -> str:
    """The model of every variant, where the kind does not vary it."""
    return choices.model or registry.default(is_series=allowed.is_series)


def _config(choices: Choices, allowed: Allowed, variant: Variant, seed: int) -> TrainConfig:
    chosen = {"folds": FOLDS} | dict(choices.settings) | dict(variant.settings) | {"seed": seed}
    model = chosen.pop("model", model_of(choices, allowed))
    if registry.named(model).estimator:
        chosen.pop("epochs", None)  # it learns in one go
    return TrainConfig.for_model(model, choices.collection, **chosen)


def _indices(choices: Choices, allowed: Allowed) -> tuple[list[Variant], list[str]]:
    """RGB, seven indices and all bands (after arXiv 2306.00114), and the app's default inputs."""
    asked = [("RGB", "rgb"), *((name, name) for name in INDEX_NAMES), ("all bands", "bands"), ("land bands and indices", "land+indices")]
    variants, notes = [], []
    for label, text in asked:
        try:
            inputs.channels(text, allowed.bands)
        except CannotTrain as error:
            notes.append(f"{label} is left out: {error}")
        else:
            variants.append(Variant(label, {"inputs": text}))
    return variants, notes


def _dates(choices: Choices, allowed: Allowed) -> tuple[list[Variant], list[str]]:
    months = allowed.months
    if len(months) < 2:
        there = f"all lie in {MONTHS[months[0] - 1]}" if months else "are all missing or bad"
        raise CannotTrain(f"The images of {choices.collection} {there}; the study dates compares months, so it needs images of 2 at least.")
    pairs, notes = list(combinations(months, 2)), []
    if len(pairs) > MOST_PAIRS:
        pairs = list(pairwise(months))
        notes.append(f"Of {len(months)} months only neighbouring ones make pairs.")
    variants = [_months((month,), ONE_MONTH, short(month)) for month in months]
    variants += [_months(pair, TWO_MONTHS, " and ".join(map(short, pair))) for pair in pairs]
    for count in range(1, len(months) + 1):
        label = short(months[0]) if count == 1 else f"{short(months[0])} to {short(months[count - 1])}"
        variants.append(_months(months[:count], FIRST_MONTHS, label))
    return variants, notes


def _months(months: tuple[int, ...], group: str, label: str) -> Variant:
    """Known at its last month."""
    return Variant(label, {"months": "+".join(map(str, months))}, group, float(months[-1]))


def short(month: int) -> str:
    """1 -> Jan."""
    return MONTHS[month - 1][:3]


def _models(choices: Choices, allowed: Allowed) -> tuple[list[Variant], list[str]]:
    suited = registry.suited(is_series=allowed.is_series)
    for name in choices.models:
        if registry.named(name).name not in suited:
            raise CannotTrain(f"{name} looks at patches, and {choices.collection} holds series; choose from {', '.join(suited)}.")
    chosen = choices.models or tuple(suited)
    notes = [] if choices.models or len(suited) == len(registry.MODELS) else ["Models that look at patches are left out: these are series."]
    return [Variant(name, {"model": name}) for name in dict.fromkeys(chosen)], notes


def _splits(choices: Choices, allowed: Allowed) -> tuple[list[Variant], list[str]]:
    variants, notes = [Variant("random by site", {"split": "random"})], []
    parts = choices.settings.get("folds", FOLDS) or 5
    fit = [side for side, count in allowed.blocks.items() if BLOCKS_PER_PART * parts <= count < allowed.places]
    sides = choices.sides or tuple(fit[-MOST_SIDES:])
    if not sides:
        notes.append(f"No block side leaves at least {BLOCKS_PER_PART * parts} blocks of several sites: blocks are left out.")
    variants += [Variant(f"blocks of {metres(side)}", {"split": "block", "block_side_m": float(side)}) for side in sorted(sides)]
    for split, found in (("region", allowed.regions), ("year", allowed.years)):
        if len(found) > 1:
            variants.append(Variant(f"by {split}", {"split": split, "folds": 0}))
        else:
            there = f"{found[0]} is the only {split}" if found else f"there is no {split}"
            notes.append(f"The split by {split} is left out: {there} with labels.")
    return variants, notes


def metres(side: float) -> str:
    """750 -> 750 m, 10000 -> 10 km."""
    return f"{side / 1000:g} km" if side >= 1000 else f"{side:g} m"


def _labels(choices: Choices, allowed: Allowed) -> tuple[list[Variant], list[str]]:
    """Learning curves on the map's labels and on verified ones, and all samples with the label in force."""
    folds = choices.settings.get("folds", FOLDS)
    share = 1 - 1 / folds if folds else 0.6
    notes = [f"No run on {labels} labels: {why}" for labels, why in allowed.refused.items()]
    variants = []
    for labels, count in allowed.labelled.items():
        whole = round(share * count)
        for number in [] if labels == "mixed" else _steps(whole, allowed.classes):
            variants.append(Variant(f"{labels}, {number} samples", {"labels": labels, "limit": number}, labels, float(number)))
        variants.append(Variant(f"{labels}, all samples (about {whole})", {"labels": labels}, labels, float(whole)))
    return variants, notes


def _steps(whole: int, classes: int) -> list[int]:
    """Each half as many samples as the one after it."""
    numbers = [whole >> step for step in range(STEPS, 0, -1)]
    return [number for number in numbers if number >= FEWEST_PER_CLASS * classes]


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(INDICES, "Inputs", "Which bands or vegetation index tell the crops apart best?", "Inputs", _indices),
        Kind(DATES, "Dates", "How early in the season can crops be told, and which months tell the most?", "Month", _dates),
        Kind(MODELS, "Models", "Which model is the best here, and at what cost in time?", "Model", _models),
        Kind(SPLITS, "Splits", "How much of the accuracy is left at other places, in other regions and years?", "Split", _splits),
        Kind(LABELS, "Labels", "How many labels does it take, and what does verifying them bring?", "Samples learned from", _labels),
    )
}
