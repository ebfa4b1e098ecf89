"""The mixed queue: several rankings dealt into one list, so that every stretch of it has about the shares asked for.

Dealing is smooth weighted round-robin: at every place each ranking's credit grows by its share, and the one with the most credit gives
its next sample and pays one. A sample that another ranking gave already is passed over. A ranking that has nothing, or nothing more,
gives its share to the others.
"""

from collections.abc import Mapping

from data.errors import BadInput, CropcheckError
from data.workspace import Workspace
from labeling import policy
from labeling.rankings.common import Ranked


def ranked(workspace: Workspace, collection: str, *, limit: int, seed: int = 0, mix: Mapping[str, float] | None = None) -> list[Ranked]:
    """Up to `limit` undecided samples, each with the kind, score and reason of the ranking that it comes from.

    Args:
        mix: kind -> share, in any unit; by default the collection's rules, see `labeling.policy`.

    Raises:
        BadInput: a kind that cannot be mixed, or none of them has anything.
    """
    from labeling.rankings.registry import KINDS  # late: it names this module

    wanted = shares(policy.read(workspace.store, collection).mix if mix is None else mix)
    parts, nothing = {}, {}
    for kind in wanted:
        try:
            parts[kind] = KINDS[kind].ranked(workspace, collection, limit=limit, seed=seed)
        except CropcheckError as error:
            nothing[kind] = str(error)
    dealt = deal(parts, wanted, limit)
    if not dealt:
        raise BadInput(" ".join(["Nothing to mix.", *nothing.values()]))
    return dealt


def shares(mix: Mapping[str, float]) -> dict[str, float]:
    """The shares above 0, made to sum to one.

    Raises:
        BadInput: as `policy.Policy`.
    """
    given = policy.Policy(mix=dict(mix)).mix
    return {kind: share / sum(given.values()) for kind, share in given.items() if share}


def deal(parts: Mapping[str, list[Ranked]], wanted: Mapping[str, float], limit: int) -> list[Ranked]:
    """Interleave rankings, each in its own order.

    Args:
        parts: kind -> its ranking. wanted: kind -> its share; any positive numbers.
    """
    left = {kind: iter(found) for kind, found in parts.items()}
    credit = dict.fromkeys(left, 0.0)
    dealt: dict[int, Ranked] = {}
    while left and len(dealt) < limit:
        whole = sum(wanted[kind] for kind in left)
        for kind in left:
            credit[kind] += wanted[kind] / whole
        kind = max(left, key=lambda name: credit[name])
        entry = next((entry for entry in left[kind] if entry.sample not in dealt), None)
        if entry is None:
            del left[kind]
            continue
        credit[kind] -= 1
        dealt[entry.sample] = Ranked(entry.sample, entry.score, entry.reason, kind)
    return list(dealt.values())


def absent(wanted: Mapping[str, float], dealt: list[Ranked]) -> list[str]:
    """The kinds that were asked for and gave nothing."""
    given = {entry.kind for entry in dealt}
    return [kind for kind in wanted if kind not in given]
