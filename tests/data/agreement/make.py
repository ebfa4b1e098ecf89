"""Makes irrcac.json: what irrCAC says of random tables of answers. Run by hand, in an environment of its own:

    python -m venv /tmp/irr && /tmp/irr/bin/pip install irrCAC==0.4.4 && /tmp/irr/bin/python tests/data/agreement/make.py

irrCAC (Gwet's package, MIT) wants scipy 1.12 and pandas 2 and nothing newer, so it cannot be installed beside Cropcheck; its figures
are kept instead. Tables are of random size; a third of them have missing answers, some only one class or no disagreement.
"""

import json
import random
from pathlib import Path

import pandas as pd
from irrCAC.raw import CAC

TABLES = 120
DIGITS = 15


def answers(draw: random.Random) -> list[list[str | None]]:
    """Rows are units, columns raters; every row has at least two answers."""
    units, raters, classes = draw.randint(2, 40), draw.randint(2, 5), draw.randint(1, 6)
    truth_share, missing = draw.choice([0.0, 0.5, 0.8, 1.0]), draw.choice([0.0, 0.0, 0.3])
    rows = []
    for _ in range(units):
        truth = draw.randrange(classes)
        row = [str(truth if draw.random() < truth_share else draw.randrange(classes)) for _ in range(raters)]
        kept = draw.sample(range(raters), max(2, sum(draw.random() >= missing for _ in range(raters))))
        rows.append([code if at in kept else None for at, code in enumerate(row)])
    return rows


def figures(rows: list[list[str | None]]) -> dict:
    """irrCAC's; None where it divides by zero."""
    found = {"answers": rows}
    for name in ("fleiss", "krippendorff"):
        try:
            told = getattr(CAC(pd.DataFrame(rows), digits=DIGITS), name)()["est"]
            found[name] = told["coefficient_value"] if told["coefficient_value"] == told["coefficient_value"] else None
            if name == "fleiss":
                found["raw"] = told["pa"]
        except ZeroDivisionError:
            found[name] = None
    return found


if __name__ == "__main__":
    draw = random.Random(2026)
    tables = [figures(answers(draw)) for _ in range(TABLES)]
    path = Path(__file__).with_name("irrcac.json")
    path.write_text(json.dumps(tables).replace('}, {"answers"', '},\n{"answers"') + "\n")
    print(path, len(tables), sum(table["fleiss"] is None for table in tables))
