"""A study as a table: one row a variant, worked out from the results of its runs, as CSV and as Markdown."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from data.workspace import Workspace
from modeling import runs
from modeling.metrics import Interval, Scores
from modeling.results import Results
from modeling.studies import published, verified
from modeling.studies.kinds import LABELS, Variant
from modeling.studies.published import Published
from modeling.studies.studydir import StudyDir

SCORES = {"accuracy": "Accuracy", "kappa": "Kappa", "macro_f1": "Macro-F1", "average_accuracy": "Average accuracy"}


@dataclass(frozen=True)
class Score:
    """A score of a variant. value, low, high: means over its runs of the score and of the ends of its 95 % interval.

    least, most: among the runs.
    """

    value: float
    low: float
    high: float
    least: float
    most: float


@dataclass(frozen=True)
class Row:
    """A variant as it turned out.

    state: finished, or that of its first training that is not. message: why it has no figures, or has those of fewer seeds.
    seeds: how many of its trainings are finished; all scores are over these, and all are None where there are none.
    samples: judged, on average over the runs.
    scores: by name, as in SCORES. nearest: accuracy of copying the label of the nearest sample learned from.
    on_verified: accuracy and macro-F1 on the verified samples among the judged, and how many those are; of the study of labels.
    seconds: of training and predicting, on average. runs: names, one a seed.
    """

    variant: Variant
    state: str
    message: str
    seeds: int
    samples: float | None
    scores: dict[str, Score]
    nearest: float | None
    on_verified: dict[str, Score]
    verified_samples: float | None
    seconds: float | None
    published: Published | None
    runs: tuple[str, ...]


def rows(workspace: Workspace, study: StudyDir) -> list[Row]:
    """One row a variant, in the study's order."""
    content, trainings = study.content, study.trainings()
    states = [training.state(workspace) for training in trainings]
    found = []
    for variant, own in study.variants():
        done = [trainings[number].run for number in own if states[number][0] == "finished"]
        open_ones = [states[number] for number in own if states[number][0] != "finished"]
        state = open_ones[0][0] if open_ones else "finished"
        message = next((text for _, text in open_ones if text), "")
        results = [runs.results(workspace, name) for name in done]
        judged = [verified.scores(workspace, result) for result in results] if content["kind"] == LABELS else []
        source = published.beside(trainings[own[0]].config, workspace) if own else None
        names = tuple(trainings[number].run for number in own if trainings[number].run)
        found.append(_row(variant, state, message, results, [scores for scores in judged if scores], source, names))
    return found


def _row(
    variant: Variant,
    state: str,
    message: str,
    results: list[Results],
    judged: list[Scores],
    source: Published | None,
    names: tuple[str, ...],
) -> Row:
    if not results:
        return Row(variant, state, message, 0, None, {}, None, {}, None, None, source, names)
    scores = {name: _score([getattr(result.scores, name) for result in results]) for name in SCORES}
    on_verified = {name: _score([getattr(own, name) for own in judged]) for name in SCORES} if judged else {}
    return Row(
        variant, state, message, len(results), fmean(result.scores.samples for result in results), scores,
        fmean(result.neighbour.accuracy.value for result in results), on_verified,
        fmean(own.samples for own in judged) if judged else None, fmean(result.seconds for result in results), source, names,
    )  # fmt: skip


def _score(found: Sequence[Interval]) -> Score:
    values = [one.value for one in found]
    return Score(fmean(values), fmean(one.low for one in found), fmean(one.high for one in found), min(values), max(values))


def records(found: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as flat records for CSV, JSON and data frames; None where there is no figure, no column where no row has one."""
    made = [_record(row) for row in found]
    optional = ("group", "published_accuracy", "published_macro_f1", "published_for", "message", "verified_")
    empty = {name for name in (made[0] if made else {}) if name.startswith(optional) and not any(record[name] for record in made)}
    return [{name: value for name, value in record.items() if name not in empty} for record in made]


def _record(row: Row) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name in SCORES:
        score = row.scores.get(name)
        for part in ("value", "low", "high", "least", "most"):
            figures[name if part == "value" else f"{name}_{part}"] = None if score is None else round(getattr(score, part), 4)
    checked = {
        f"verified_samples_{name}": None if name not in row.on_verified else round(row.on_verified[name].value, 4) for name in SCORES
    }
    source = row.published
    return {
        "group": row.variant.group, "variant": row.variant.label, "state": row.state, "seeds": row.seeds,
        "samples": None if row.samples is None else round(row.samples, 1), **figures,
        "nearest_copied_accuracy": None if row.nearest is None else round(row.nearest, 4),
        "verified_samples": row.verified_samples, **checked,
        "seconds": None if row.seconds is None else round(row.seconds, 1),
        "published_accuracy": source and source.accuracy, "published_macro_f1": source and source.macro_f1_text,
        "published_for": source and source.source, "runs": " ".join(row.runs), "message": row.message,
    }  # fmt: skip


def as_csv(found: Sequence[Row]) -> str:
    """The records as CSV with a header."""
    made = records(found)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(made[0]) if made else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(made)
    return out.getvalue()


def as_markdown(title: str, found: Sequence[Row], notes: Sequence[str]) -> str:
    """For people: scores with their intervals, and with several seeds their range; notes below."""
    several = any(row.seeds > 1 for row in found)
    grouped, sourced = any(row.variant.group for row in found), any(row.published for row in found)
    checked = any(row.on_verified for row in found)
    heads = [*(["Group"] if grouped else []), "Variant", "Judged", *SCORES.values(), "Nearest copied"]
    heads += [*(["Accuracy on verified", "Macro-F1 on verified"] if checked else []), "Seconds", *(["Published"] if sourced else [])]
    lines = [f"# {title}", "", _line(heads), _line(["---"] * len(heads))]
    for row in found:
        cells = [*([row.variant.group] if grouped else []), row.variant.label]
        if not row.scores:
            cells.append(f"{row.state}: {row.message}" if row.message else row.state)
            lines.append(_line([*cells, *[""] * (len(heads) - len(cells))]))
            continue
        cells += [f"{row.samples:.0f}", *(_cell(row.scores[name], several) for name in SCORES), f"{row.nearest:.3f}"]
        if checked:
            cells += [f"{row.on_verified[name].value:.3f}" if row.on_verified else "" for name in ("accuracy", "macro_f1")]
        cells += [f"{row.seconds:.0f}", *([str(row.published or "")] if sourced else [])]
        lines.append(_line(cells))
    told = [_told(several), *notes]
    return "\n".join([*lines, "", *(f"- {note}" for note in told), ""])


def _cell(score: Score, several: bool) -> str:
    spread = f", seeds {score.least:.3f}–{score.most:.3f}" if several else ""
    return f"{score.value:.3f} ({score.low:.3f}–{score.high:.3f}{spread})"


def _told(several: bool) -> str:
    if not several:
        return "In brackets: 95 % intervals."
    return "Means over the seeds; in brackets the means of the ends of their 95 % intervals, then the lowest and the highest seed."


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def title(content: dict) -> str:
    """A heading for the study whose study.json this is."""
    return f"{content['kind'].capitalize()} of {content['collection']}"


def write(workspace: Workspace, study: StudyDir) -> None:
    """Write table.csv and table.md into the study's folder, each replaced whole."""
    found, content = rows(workspace, study), study.content
    for name, text in (("table.csv", as_csv(found)), ("table.md", as_markdown(title(content), found, content["notes"]))):
        temporary = study.path / f"{name}.partial"
        temporary.write_text(text)
        temporary.replace(study.path / name)
