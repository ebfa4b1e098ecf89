"""Canada's Annual Crop Inventory: its codes, names and official colours. Reads one CSV; no other I/O.

`demo/aci_legend.csv` is the legend as Agriculture and Agri-Food Canada publishes it (Open Government Licence - Canada).
"""

import csv
from functools import cache
from pathlib import Path

from data.importing import LearnedClass, LegendClass

LEGEND_FILE = Path(__file__).parent / "demo" / "aci_legend.csv"

# The crops that the Canadian collections learn, in the order of the digit keys 1 ... 9, 0.
CROPS = (133, 136, 145, 146, 147, 153, 158, 177, 122, 110)

# Letters that the published file lost.
_FRENCH_MENDED = {130: "Trop humide pour l'ensemencement", 185: "Autres baies"}


@cache
def legend(crops: tuple[int, ...] = CROPS) -> tuple[LegendClass, ...]:
    """All 72 codes of the inventory, ascending.

    Args:
        crops: the codes that are learned, each as its own class; the first ten get the digits 1 ... 9, 0.
    """
    with LEGEND_FILE.open(encoding="utf-8-sig", newline="") as file:
        return tuple(_legend_class(row, crops) for row in csv.DictReader(file))


def learned(crops: tuple[int, ...] = CROPS) -> tuple[LearnedClass, ...]:
    """The learned classes of `legend(crops)`, in the order of `crops`."""
    by_code = {entry.code: entry for entry in legend(crops)}
    return tuple(LearnedClass(entry.name, entry.name_fr, entry.color) for entry in (by_code[code] for code in crops))


def _legend_class(row: dict[str, str], crops: tuple[int, ...]) -> LegendClass:
    code = int(row["Code"])
    name = row["Label"].strip().replace("_", " ")
    position = crops.index(code) if code in crops else None
    return LegendClass(
        code=code,
        name=name,
        name_fr=_FRENCH_MENDED.get(code, row["Étiquette"].strip()),
        color="#{:02x}{:02x}{:02x}".format(*(int(row[column]) for column in ("Red\\Rouge", "Green\\Vert", "Blue\\Bleu"))),
        learned=None if position is None else name,
        digit=(position + 1) % 10 if position is not None and position < 10 else None,
    )
