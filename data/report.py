"""What an import or an export did, what it left out, and what it kept with a remark. Pure; no I/O."""

from collections import defaultdict
from dataclasses import dataclass, field

SHOWN = 5  # names a line of the text gives; the JSON gives them all


@dataclass(frozen=True)
class Problem:
    """One thing that went wrong.

    kind: a few words, the same for all of their kind, as "outside the raster"; reports count by it.
    name: of the site, sample, file or code.
    fact: what was found there, with the value; empty where the kind says it all.
    """

    kind: str
    name: str
    fact: str = ""


@dataclass
class Report:
    """Filled while an import or export works.

    done: samples imported or exported.
    left_out: what is not in the result; the exit code is not zero for it.
    remarks: what is in the result, but should be known.
    """

    done: int = 0
    left_out: list[Problem] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)

    def leave_out(self, kind: str, name: str, fact: str = "") -> None:
        self.left_out.append(Problem(kind, str(name), fact))

    def remark(self, kind: str, name: str, fact: str = "") -> None:
        self.remarks.append(Problem(kind, str(name), fact))

    def as_json(self) -> dict:
        """{"done", "left_out", "remarks"}; each of the last two maps a kind to {"count", "names", "facts"}."""
        return {"done": self.done, "left_out": _by_kind(self.left_out), "remarks": _by_kind(self.remarks)}

    def text(self) -> str:
        """For people: a line a kind, with the first names; empty where there is nothing to say."""
        lines = [*_lines("Left out", self.left_out), *_lines("Kept, with a remark", self.remarks)]
        return "\n".join(lines)


def _by_kind(problems: list[Problem]) -> dict[str, dict]:
    kinds: dict[str, dict] = defaultdict(lambda: {"count": 0, "names": [], "facts": []})
    for problem in problems:
        kinds[problem.kind]["count"] += 1
        kinds[problem.kind]["names"].append(problem.name)
        kinds[problem.kind]["facts"].append(problem.fact)
    return dict(kinds)


def _lines(title: str, problems: list[Problem]) -> list[str]:
    lines = []
    for kind, found in _by_kind(problems).items():
        shown = [f"{name} ({fact})" if fact else name for name, fact in zip(found["names"], found["facts"], strict=True)][:SHOWN]
        more = f" and {found['count'] - SHOWN} more" if found["count"] > SHOWN else ""
        lines.append(f"  {found['count']} {kind}: {'; '.join(shown)}{more}")
    return [f"{title}:", *lines] if lines else []
