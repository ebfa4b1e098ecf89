"""Rotation surprise: crops that seldom stand between what the inventory says of the year before and of the year after.

P(class | year before, year after) is learnt from the collection's own inventory: every site and year with a known neighbour year
counts, the site itself left out, with Laplace's rule of succession: (n + 1) / (N + K), for n of N site-years between the same two
classes and K classes that occur. Where only one of the two years is known, the probability is conditional on that one alone.
"""

from dataclasses import dataclass

import numpy as np

from data.errors import BadInput
from data.workspace import Workspace
from labeling.rankings.common import Ranked, classes, first

HISTORY = "select h.site, h.year, h.code from site t join aci_history h on h.site = t.id where t.collection = ?"
LABELS = """
select s.id, s.site, s.year, s.inventory_code, coalesce(l.code, -1), s.decision is null
from sample s join label l on l.sample = s.id where s.collection = ?
"""
UNKNOWN = -1


@dataclass(frozen=True)
class Surprise:
    """How n crops fit between their neighbour years. Arrays are (n,).

    probability: float64 by Laplace's rule; NaN where neither neighbour year is known, or the crop is not.
    alike, between: int64 site-years of other sites between the same classes: with this class, and in all.
    """

    probability: np.ndarray
    alike: np.ndarray
    between: np.ndarray


def ranked(workspace: Workspace, collection: str, *, limit: int, seed: int = 0, decided: bool = False) -> list[Ranked]:
    """Up to `limit` samples with a known neighbour year; score: probability 0..1 of the class of the label in force, low first.

    Args:
        seed: of the order of equal ones.

    Raises:
        BadInput: the inventory of no year before or after a sample's own is known.
    """
    names, codes = _numbered(classes(workspace.store, collection))
    with workspace.store.reading() as db:
        db.conn.row_factory = None
        history = np.fromiter(db.execute(HISTORY, [collection]), np.dtype((np.int64, 3)))
        samples = np.fromiter(db.execute(LABELS, [collection]), np.dtype((np.int64, 6)))
    said = np.vstack([history, samples[:, 1:4]])  # a sample's own year is the inventory's word on its site, too
    sites, years, crops = known_years(said[:, 0], said[:, 1], _numbers(said[:, 2], codes))
    before, after = (at_year(sites, years, crops, samples[:, 1], samples[:, 2] + step) for step in (-1, 1))
    if not ((before != UNKNOWN) | (after != UNKNOWN)).any():
        raise BadInput(
            f"{collection} has no inventory of the years before or after its samples, so no rotation is known. "
            f"Read some with: python -m data inventory --collection {collection} FILES"
        )
    labels = _numbers(samples[:, 4], codes)
    neighbours = [at_year(sites, years, crops, sites, years + step) for step in (-1, 1)]
    found = surprise((sites, crops, *neighbours), (samples[:, 1], labels, before, after), len(names))
    scores = np.where(samples[:, 5] | decided, found.probability, np.nan)
    return [
        Ranked(int(samples[at, 0]), float(scores[at]), _reason(names, labels[at], before[at], after[at], samples[at, 2], found, at))
        for at in first(scores, limit, seed)
    ]


def _numbered(titles: dict[int, str]) -> tuple[list[str], dict[int, int]]:
    """Code -> class name to class names and code -> number of its class."""
    names = list(dict.fromkeys(titles.values()))
    return names, {code: names.index(title) for code, title in titles.items()}


def _numbers(codes: np.ndarray, numbers: dict[int, int]) -> np.ndarray:
    """Codes to numbers of classes; UNKNOWN where there is none."""
    distinct, places = np.unique(codes, return_inverse=True)
    return np.array([numbers.get(int(code), UNKNOWN) for code in distinct], dtype=np.int64)[places]


def known_years(sites: np.ndarray, years: np.ndarray, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sites, years and crops where the crop is known, ordered by site and year; of several on one the first given counts."""
    kept = np.flatnonzero(crops != UNKNOWN)
    order = kept[np.lexsort((kept, years[kept], sites[kept]))]
    sites, years, crops = sites[order], years[order], crops[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(sites) != 0) | (np.diff(years) != 0)
    return sites[new], years[new], crops[new]


def at_year(sites: np.ndarray, years: np.ndarray, crops: np.ndarray, of: np.ndarray, year: np.ndarray) -> np.ndarray:
    """The crop at sites `of` in `year`, UNKNOWN where none is; the first three as `known_years` gives them."""
    if not len(sites):
        return np.full(len(of), UNKNOWN)
    start = years.min() - 1
    span = max(int(years.max()), int(year.max(initial=0))) - start + 2
    keys, wanted = sites * span + years - start, of * span + np.maximum(year - start, 0)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, crops[at], UNKNOWN)


def surprise(
    known: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], asked: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], count: int
) -> Surprise:
    """How likely the crops asked about are between their neighbour years.

    Args:
        known: site, crop, and the crops of the year before and after, (m,) each: what is learnt from. UNKNOWN where not known.
        asked: the same of what is asked about, (n,) each; site-years of its own site are not counted.
        count: how many classes there are, to number pairs of them; K are those among the known crops.
    """
    sites, crops, before, after = known
    site, crop, b, a = asked
    one_sided = ((b == UNKNOWN) | (a == UNKNOWN)).any()
    sides = [(before, after), (before, None), (None, after)] if one_sided else [(before, after)]
    contexts = np.concatenate([_context(*pair, count) for pair in sides])
    sites, crops = np.tile(sites, len(sides)), np.tile(crops, len(sides))
    used = contexts != UNKNOWN
    contexts, sites, crops = contexts[used], sites[used], crops[used]
    both = (b != UNKNOWN) & (a != UNKNOWN)
    context = np.where(both, _context(b, a, count), np.where(b != UNKNOWN, _context(b, None, count), _context(None, a, count)))
    wide = 1 + max(int(sites.max(initial=0)), int(site.max(initial=0)))
    alike = _times(contexts * count + crops, context * count + crop)
    alike -= _times((contexts * count + crops) * wide + sites, (context * count + crop) * wide + site)
    between = _times(contexts, context) - _times(contexts * wide + sites, context * wide + site)
    probability = (alike + 1) / (between + len(np.unique(known[1])))
    return Surprise(np.where((context != UNKNOWN) & (crop != UNKNOWN), probability, np.nan), alike, between)


def _context(before: np.ndarray | None, after: np.ndarray | None, count: int) -> np.ndarray:
    """One number for each pair of neighbours; None stands for any. UNKNOWN where one is not known."""
    either = before if before is not None else after
    pair = [np.full(len(either), count) if side is None else side for side in (before, after)]
    return np.where((pair[0] == UNKNOWN) | (pair[1] == UNKNOWN), UNKNOWN, pair[0] * (count + 1) + pair[1])


def _times(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """How often each of `wanted` is among `keys`."""
    ordered = np.sort(keys)
    return np.searchsorted(ordered, wanted, side="right") - np.searchsorted(ordered, wanted, side="left")


def _reason(names: list[str], crop: int, before: int, after: int, year: int, found: Surprise, at: int) -> str:
    sides = [f"after {names[before]} in {year - 1}"] if before != UNKNOWN else []
    sides += [f"before {names[after]} in {year + 1}"] if after != UNKNOWN else []
    counted = f"{found.alike[at]:,} of {found.between[at]:,} other site-years in that place"
    named = names[crop][:1].upper() + names[crop][1:]
    return f"{named} {' and '.join(sides)}: so are {counted} (P = {found.probability[at]:.3f})."
