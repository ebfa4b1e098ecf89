"""Tables of runs for papers and spreadsheets: as Markdown, and as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from modeling import registry
from modeling.config import BEST, EACH, TrainConfig
from modeling.evaluation import Stratum
from modeling.results import Results

Cell = str | int | float | None
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
INPUTS = {
    "land+indices": "land bands and six indices", "bands+indices": "all bands and six indices", "land": "land bands", "bands": "all bands",
    "indices": "six indices", "rgb": "red, green and blue",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Columns and rows. Shares and other fractions are float and shown to three digits; None is empty."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def markdown(self) -> str:
        lines = [self.columns, ["---" if self._is_text(at) else "---:" for at in range(len(self.columns))]]
        lines += [[_shown(cell).replace("|", "\\|") for cell in row] for row in self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def csv(self) -> str:
        """Comma-separated, fractions to six digits, a header line first."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([f"{cell:.6f}" if isinstance(cell, float) else cell for cell in row] for row in self.rows)
        return out.getvalue()

    def records(self) -> list[dict[str, Cell]]:
        """A dict a row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def _is_text(self, column: int) -> bool:
        return any(isinstance(row[column], str) for row in self.rows)


def words(config: TrainConfig) -> dict[str, str]:
    """What the run learned from and how it was split, in words."""
    return {
        "Model": config.model,
        "Labels": config.labels + (f", at most {config.limit}" if config.limit else ""),
        "Inputs": INPUTS.get(config.inputs, config.inputs.replace("+", ", ")),
        "Dates": _dates(config),
        "Split": split_in_words(config),
    }


def of_runs(found: Sequence[Results]) -> Table:
    """One row a run: what it is, and its headline figures on the samples that judge it."""
    columns = (
        "Run", "Accuracy", "Kappa", "Macro-F1", "Average accuracy", "ECE", "Copied", "Samples", "Split", "Labels", "Inputs", "Dates",
        "Model", "Seconds",
    )  # fmt: skip
    rows = []
    for run in found:
        scores, said = run.scores, words(run.config)
        rows.append((
            run.run, scores.accuracy.value, scores.kappa.value, scores.macro_f1.value, scores.average_accuracy.value,
            run.calibration.ece.value if run.calibration else None, run.neighbour.accuracy.value, scores.samples,
            *(said[name] for name in columns[8:13]), round(run.seconds),
        ))  # fmt: skip
    return Table(columns, tuple(rows))


def breizhcrops(found: Sequence[Results]) -> Table:
    """The table of Rußwurm et al. 2020 (BreizhCrops): accuracy, kappa, mean F1, mean precision and mean recall, one row a run."""
    columns = ("Run", "Model", "Labels", "Split", "Accuracy", "Kappa", "Mean F1", "Mean precision", "Mean recall", "Samples")
    rows = []
    for run in found:
        scores, said = run.scores, words(run.config)
        figures = (scores.accuracy, scores.kappa, scores.macro_f1, scores.macro_precision, scores.macro_recall)
        rows.append((run.run, said["Model"], said["Labels"], said["Split"], *(figure.value for figure in figures), scores.samples))
    return Table(columns, tuple(rows))


def of_classes(found: Sequence[Results]) -> Table:
    """One row a run and class: precision, recall, F1 and samples, as the BreizhCrops table goes on."""
    columns = ("Run", "Class", "Precision", "Recall", "F1", "Samples")
    rows = tuple((run.run, row.name, row.precision, row.recall, row.f1, row.support) for run in found for row in run.scores.per_class)
    return Table(columns, rows)


def breizhcrops_in_one(found: Sequence[Results]) -> Table:
    """`breizhcrops` and `of_classes` as one table for spreadsheets: the rows of all classes together first, with means as F1 and so on."""
    columns = ("Run", "Model", "Labels", "Split", "Class", "Accuracy", "Kappa", "F1", "Precision", "Recall", "Samples")
    said = {row[0]: row[1:4] for row in breizhcrops(found).rows}
    rows = [(*row[:4], "all", *row[4:]) for row in breizhcrops(found).rows]
    for run, name, precision, recall, f1, samples in of_classes(found).rows:
        rows.append((run, *said[run], name, None, None, f1, precision, recall, samples))
    return Table(columns, tuple(rows))


def of_strata(stratum: str, found: Sequence[Stratum]) -> Table:
    """One row a group of samples: accuracy and macro-F1 with 95 % intervals, kappa and average accuracy."""
    columns = (
        stratum.capitalize(), "Samples", "Accuracy", "Accuracy from", "Accuracy to", "Kappa", "Macro-F1", "Macro-F1 from", "Macro-F1 to",
        "Average accuracy",
    )  # fmt: skip
    rows = []
    for one in found:
        scores = one.scores
        accuracy, macro = scores.accuracy, scores.macro_f1
        rows.append((
            title_of(stratum, one.name), scores.samples, accuracy.value, accuracy.low, accuracy.high, scores.kappa.value,
            macro.value, macro.low, macro.high, scores.average_accuracy.value,
        ))  # fmt: skip
    return Table(columns, tuple(rows))


def title_of(stratum: str, name: str) -> str:
    """A group's name for people: months have names."""
    return MONTHS[int(name) - 1] if stratum == "month" else name


def _shown(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def _dates(config: TrainConfig) -> str:
    clear = ", clear ones" if config.dates == "clear" and config.months != BEST else ""
    months = " and ".join(MONTHS[number - 1] for number in config.month_numbers)
    if registry.named(config.model).kind == registry.IMAGE:
        return {EACH: "each in turn" + clear}.get(config.months, f"best of {months}" if months else "the best")
    return (months or "all") + clear


def split_in_words(config: TrainConfig) -> str:
    """Which samples judge, for people."""
    side = f"{config.block_side_m / 1000:g} km" if config.block_side_m >= 1000 else f"{config.block_side_m:g} m"
    method = {"random": "random by site", "block": f"blocks of {side}", "region": "by region", "year": "by year"}
    held = f", {config.held_out.replace('+', ', ')} held out" if config.held_out else ""
    parts = f", {config.folds} folds" if config.folds else ("" if held or config.split not in method else f", {config.shares}")
    if config.split in ("region", "year") and not held and not config.folds:
        parts = ", one fold each"
    return f"{method.get(config.split, config.split)}{held}{parts}, seed {config.seed}"
