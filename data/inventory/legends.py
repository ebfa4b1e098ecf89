"""What the codes of inventories are called: by the collection's legend, a CSV, Canada's inventory, or the files themselves."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from data import aci
from data.importers import described
from data.importing import NO_LABEL, UNKNOWN_COLOUR, LearnedClass, LegendClass
from data.report import Report

ACI, FILE = "aci", "file"


class Book:
    """Names and codes while inventories are opened; it learns the crop names of polygon layers that it lacks.

    Args:
        have: the collection's legend.
        choice: "aci", "file", a CSV with code and name (name_fr, color, learned, digit), or None: the collection's own, and where it has
            none Canada's inventory's if the files have its colours, else the files'.

    Raises:
        BadInput: the CSV cannot be read.
    """

    def __init__(self, have: Sequence[LegendClass], choice: str | None) -> None:
        self.have = {entry.code: entry for entry in have}
        self.bare = not set(self.have) - {NO_LABEL.code}
        self.choice = choice
        self.csv = None if choice in (None, ACI, FILE) else Path(choice)
        if self.csv:
            told = described.legend(Counter(), {}, self.csv, Report()).classes
        else:
            told = aci.legend() if self.bare or choice == ACI else have
        self.told = {entry.code: entry for entry in told}

    def codes(self, texts: Counter[str], report: Report, what: str) -> dict[str, int]:
        """The code of each class text; names that nobody knows get codes of their own, and a remark.

        Args:
            texts: with the number of polygons of each. what: the layer's name.
        """
        found = described.legend(texts, {"legend": [asdict(entry) for entry in self.told.values()]}, None, Report())
        for entry in found.classes:
            if entry.code not in self.told:
                self.told[entry.code] = LegendClass(entry.code, entry.name, entry.name_fr, entry.color)
                report.remark(
                    "crop names outside the legend", entry.name, f"{texts[entry.name]} polygons of {what}, kept as code {entry.code}"
                )
        return found.codes

    def called(self, code: int) -> str:
        """The name of a code, as far as it is known before the inventories are read."""
        entry = self.have.get(code) or self.told.get(code)
        return entry.name if entry else f"Code {code}"

    def settle(
        self, labels: Counter[int], seen: set[int], sources: Iterable
    ) -> tuple[str, list[LegendClass], list[LearnedClass], set[int]]:
        """What is to be added to the collection's legend.

        Args:
            labels: inventory codes that samples have, with their numbers. seen: all codes met, on patches and in other years too.
            sources: the Rasters and Layers; the first that names or colours a code is believed.

        Returns:
            which legend it is ("aci", "file", "collection" or the CSV's name); the new entries by code; the new learned classes in their
            order; and the codes outside the legend, which are among the new entries.
        """
        of_files = _of_files(seen | set(labels), sources)
        if not self.bare:
            kind, known, learned = "collection", [], []
        elif self.csv:
            made = described.legend(_texts(labels), {}, self.csv, Report())
            kind, known, learned = self.csv.name, list(made.classes), list(made.learned)
        elif self.choice == FILE or (self.choice is None and not all(source.is_aci for source in sources)):
            entries = {code: self._named(code, of_files) for code in (seen | set(labels)) - {NO_LABEL.code}}
            made = described.legend(_texts(labels), {"legend": [asdict(entry) for entry in entries.values()]}, None, Report())
            kind, known, learned = FILE, list(made.classes), list(made.learned)
        else:
            kind, known, learned = ACI, list(aci.legend()), list(aci.learned())
        known = {entry.code: entry for entry in known if entry.code not in self.have}
        outside = (seen | set(labels)) - {NO_LABEL.code} - set(self.have) - set(known)
        known |= {code: self._named(code, of_files) for code in outside}
        return kind, sorted(known.values(), key=lambda entry: entry.code), learned, outside

    def _named(self, code: int, of_files: dict[int, LegendClass]) -> LegendClass:
        """A class for a code that the legend lacks: as the chosen book says, else the files, else under its number."""
        book = self.told if self.csv or self.choice == ACI or not self.bare or code >= described.OWN_CODES else {}
        entry = book.get(code) or of_files.get(code) or LegendClass(code, f"Code {code}", f"Code {code}", UNKNOWN_COLOUR)
        return LegendClass(code, entry.name, entry.name_fr, entry.color)


def _texts(labels: Counter[int]) -> Counter[str]:
    return Counter({str(code): count for code, count in labels.items() if code != NO_LABEL.code})


def _of_files(codes: set[int], sources: Iterable) -> dict[int, LegendClass]:
    found: dict[int, LegendClass] = {}
    for source in sources:
        for code in codes & (set(source.names) | set(source.colours)) - set(found):
            name = source.names.get(code, f"Code {code}")
            found[code] = LegendClass(code, name, name, source.colours.get(code, UNKNOWN_COLOUR))
    return found
