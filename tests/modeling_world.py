"""A small collection whose classes can be told apart, imported for real: what the tests of models, splits and runs stand on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from data.importing import CollectionSpec, LearnedClass, LegendClass, NewSample, import_collection
from data.workspace import Workspace
from modeling.config import TrainConfig

BANDS = ("B02", "B03", "B04", "B05", "B06", "B08", "B8A", "B11", "B12")
SLOTS = ("2020-05-01", "2020-06-01", "2020-07-01", "2020-08-01")
CODES = {146: "wheat", 153: "canola", 158: "soybean"}
COLORS = ("#d8b56b", "#d6ff70", "#cc9933")
NAME = "toy"
# Near-infrared reflectance of each crop on the four dates: wheat is early, canola in between, soybean late.
SEASONS = {146: (0.45, 0.50, 0.25, 0.20), 153: (0.25, 0.45, 0.50, 0.30), 158: (0.20, 0.25, 0.40, 0.50), 50: (0.3, 0.3, 0.3, 0.3)}


def spec(size: int = 1) -> CollectionSpec:
    """Three learned classes and shrubland (50), which is in none; patches of size x size pixels."""
    legend = [LegendClass(code, name, name, "#336699", learned=name) for code, name in CODES.items()]
    return CollectionSpec(
        name=NAME, title="A toy collection", bands=BANDS, level="L2A", slots=SLOTS, height=size, width=size, composites=False,
        simulated=True, licence="none", attribution="", legend=(*legend, LegendClass(50, "shrubland", "arbustes", "#888888")),
        learned=tuple(LearnedClass(name, name, color) for name, color in zip(CODES.values(), COLORS, strict=True)),
    )  # fmt: skip


def sample(number: int, code: int, *, size: int = 1, year: int = 2020, site: str | None = None) -> NewSample:
    """Sample `number` of a crop, on a grid of 2 km, with a little noise that depends on the number alone."""
    random = np.random.default_rng(number)
    pixels = np.full((len(SLOTS), len(BANDS), size, size), 600.0)
    for slot, infrared in enumerate(SEASONS[code]):
        pixels[slot, 5:7] = infrared * 10_000  # B08 and B8A
    pixels += random.normal(0, 150, pixels.shape)
    place = number if site is None else int(site.removeprefix("site-"))
    return NewSample(
        name=f"S{number:03d}-{year}", site=site or f"site-{number}", lon=11.0 + 0.027 * (place % 8), lat=48.0 + 0.018 * (place // 8),
        region="Toyland", year=year, inventory_code=code, pixels=np.clip(pixels, 1, 9_000).astype(np.uint16), acquired=SLOTS,
        interpolated=(False,) * len(SLOTS), crs="EPSG:32632", transform=(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0),
    )  # fmt: skip


def codes_of(counts: dict[int, int]) -> list[int]:
    """{146: 2, 153: 1} -> [146, 153, 146]: crops take turns, so that neighbours differ."""
    left, codes = dict(counts), []
    while any(left.values()):
        for code in [code for code, count in left.items() if count]:
            codes.append(code)
            left[code] -= 1
    return codes


def world(
    workspace: Workspace, counts: dict[int, int] | None = None, *, size: int = 1, missing: Sequence[tuple[int, int]] = ()
) -> Workspace:
    """Import the toy collection: 12 samples a learned class and 3 of shrubland by default.

    missing: (sample, slot) of dates without an image.
    """
    codes = codes_of(counts or {146: 12, 153: 12, 158: 12, 50: 3})
    made = [sample(number, code, size=size) for number, code in enumerate(codes)]
    for number, slot in missing:
        acquired = tuple(None if at == slot else day for at, day in enumerate(made[number].acquired))
        pixels = made[number].pixels.copy()
        pixels[slot] = 0
        made[number] = replace(made[number], acquired=acquired, pixels=pixels)
    import_collection(workspace, spec(size), made, shard_size=16)
    return workspace


def config(**chosen) -> TrainConfig:
    """A quick training of the toy collection."""
    return TrainConfig.for_model(chosen.pop("model", "ltae"), NAME, **{"epochs": 8, "device": "cpu"} | chosen)


def decide(workspace: Workspace, sample_name: str, action: str, code: int | None = None) -> None:
    """Append a decision as the store keeps it: the code agreed with or relabelled to, none for a rejection."""
    with workspace.store.writing() as db:
        number = db.execute("select id from sample where name = ?", [sample_name]).fetchone()["id"]
        reason = "mixed" if action == "reject" else None
        db.execute(
            """insert into event (uid, sample, curator, action, new, reason, stands, at)
            values (?, ?, 'ada', ?, ?, ?, 1, '2026-01-01T00:00:00Z')""",
            [f"{sample_name}-{action}-{code}", number, action, None if code is None else str(code), reason],
        )
