"""The figures as rows for people and for files: one dict a row, shares from 0 to 1, None where there is nothing to say."""

from collections.abc import Sequence
from typing import Any

from data.store import Store
from labeling.trust.agreement import REJECTED, UNSURE, Agreement, SelfAgreement
from labeling.trust.audit import Rate
from labeling.trust.coefficients import Coefficient
from labeling.trust.controls import Record
from labeling.trust.reasons import Precision, title
from labeling.trust.shares import Share

Row = dict[str, Any]


def class_names(store: Store, collection: str) -> dict[str, str]:
    """Class of an answer -> its name: the legend's for codes."""
    with store.reading() as db:
        rows = db.execute("select code, name from legend_class where collection = ?", [collection])
        return {str(row["code"]): row["name"] for row in rows} | {REJECTED: "Rejected", UNSURE: "Unsure"}


def overall(found: Agreement) -> list[Row]:
    figures = (
        ("Raw agreement", found.raw, found.units), ("Cohen's kappa, first and second answer", found.kappa, found.units),
        (f"Fleiss' kappa, {found.fleiss_raters} answers each", found.fleiss, found.fleiss_units),
        ("Krippendorff's alpha", found.alpha, found.units),
    )  # fmt: skip
    return [{"Figure": name, "Samples": units} | _spread("", of) | {"Remark": of.reason} for name, of, units in figures]


def classes(found: Agreement, names: dict[str, str]) -> list[Row]:
    return [
        {"Class": names.get(one.name, one.name), "Samples": one.units} | _spread("Kappa", one.kappa) | _spread("Alpha", one.alpha)
        | {"Remark": one.kappa.reason} for one in found.classes
    ]  # fmt: skip


def pairs(found: Agreement) -> list[Row]:
    return [
        {"Curator": one.first, "and": one.second, "Samples": one.units} | _spread("Raw", one.raw) | _spread("Kappa", one.kappa)
        | {"Remark": one.kappa.reason} for one in found.pairs
    ]  # fmt: skip


def with_self(found: Sequence[SelfAgreement]) -> list[Row]:
    return [
        {"Curator": one.curator, "Samples seen twice": one.units} | _spread("Raw", one.raw) | _spread("Kappa", one.kappa)
        | {"Remark": one.kappa.reason} for one in found
    ]  # fmt: skip


def curators(found: Sequence[Record]) -> list[Row]:
    return [
        {
            "Curator": one.curator, "Decisions": one.decisions, "Controls": one.controls, **_of("False accepts", one.false_accepts),
            **_of("False alarms", one.false_alarms), "Agrees": one.agreed.value, "Median s": one.pace and one.pace.median / 1000,
            "p10 s": one.pace and one.pace.p10 / 1000, "p90 s": one.pace and one.pace.p90 / 1000,
        }
        for one in found
    ]  # fmt: skip


def paces(found: Sequence[Record]) -> list[Row]:
    """Time by curator and kind of queue."""
    return [
        {
            "Curator": one.curator, "Queue": title(kind), "Decisions": pace.decisions, "Median s": pace.median / 1000,
            "p10 s": pace.p10 / 1000, "p90 s": pace.p90 / 1000,
        }
        for one in found for kind, pace in one.by_kind.items()
    ]  # fmt: skip


def rates(found: Sequence[Rate], of: str) -> list[Row]:
    return [
        {
            of: one.name, "Samples": one.population, "Audited": one.answered, **_of("Wrong", one.wrong), "At least": one.lowest,
            "At most": one.highest, "More for ±5": one.more[0.05], "More for ±2": one.more[0.02],
        }
        for one in found
    ]  # fmt: skip


def precisions(found: Sequence[Precision]) -> list[Row]:
    return [
        {
            "Reason": title(one.kind), "Run": one.run, "Decided": one.decided, **_of("Wrong", one.wrong),
            "Median s": None if one.median_ms is None else one.median_ms / 1000,
        }
        for one in found
    ]  # fmt: skip


def as_text(rows: Sequence[Row]) -> str:
    """Columns for a terminal; shares and seconds to three digits."""
    if not rows:
        return "  nothing"
    cells = [[*rows[0]], *([_shown(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(cells[0]))]
    return "\n".join("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)


def _spread(name: str, of: Coefficient) -> Row:
    return {name or "Value": of.value, f"{name} from".strip(): of.low, f"{name} to".strip(): of.high}


def _of(name: str, share: Share) -> Row:
    low, high = share.interval
    return {f"{name}, of": share.of, name: share.value, f"{name} from": low if share.of else None, f"{name} to": high if share.of else None}


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
