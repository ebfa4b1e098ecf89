"""The samples of a collection as a table: where they are, their label in force, its state and a run's prediction. Reads only."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from data import catalogue, packed, workspace
from data.figures import STATE_COLOURS
from data.importing import LearnedClass, LegendClass
from data.store import Store

STATES = {  # state of the view `label` -> English, French, colour, as in the figures of progress
    "agreed": ("Agreed", "Confirmé", STATE_COLOURS["agreed"]),
    "relabelled": ("Relabelled", "Corrigé", STATE_COLOURS["relabelled"]),
    "rejected": ("Rejected", "Rejeté", STATE_COLOURS["rejected"]),
    "unsure": ("Unsure", "Incertain", STATE_COLOURS["unsure"]),
    "unverified": ("Unverified", "Non vérifié", STATE_COLOURS["unverified"]),
}
NO_LABEL = ("Rejected, no label", "Rejeté, sans étiquette", "#3b3f3c")
NO_PREDICTION = ("Not predicted", "Sans prédiction", "#b9c2b6")

SAMPLES = """
select s.id, s.name, t.lon, t.lat, t.region, s.year, s.inventory_code, l.code, l.state, l.verified, s.flagged, s.purity,
    c.learned, p.predicted, p.probability
from sample s
join site t on t.id = s.site
join label l on l.sample = s.id
left join legend_class c on c.collection = s.collection and c.code = l.code
left join prediction p on p.sample = s.id and p.run = ?
where s.collection = ?
order by s.id
"""


@dataclass(frozen=True)
class Point:
    """A sample on the map.

    lon, lat: EPSG:4326.
    code: the label in force; None where the sample is rejected.
    learned: the learned class of the label in force; None outside every class.
    predicted, probability: of the run asked for; None where it predicted nothing.
    """

    id: int
    name: str
    lon: float
    lat: float
    region: str
    year: int
    inventory_code: int
    code: int | None
    state: str
    verified: bool
    flagged: bool
    purity: float
    learned: str | None
    predicted: str | None
    probability: float | None

    @property
    def disagrees(self) -> bool:
        """Whether the prediction is another class than the label's; false where either is missing."""
        return self.predicted is not None and self.learned is not None and self.predicted != self.learned


@dataclass(frozen=True)
class Group:
    """One entry of a map legend: what its points have in common, in both languages, and how many they are."""

    title: str
    title_fr: str
    color: str
    count: int


def points(store: Store, collection: str, run: str | None = None) -> list[Point]:
    """All samples of a collection in the order of import, with the predictions of `run` if one is named."""
    with store.reading() as db:
        db.conn.row_factory = None  # plain tuples in the order of Point's fields: half the time at 6,633 samples
        rows = db.execute(SAMPLES, [run, collection]).fetchall()
    flags = slice(9, 11)  # verified, flagged
    return [Point(*row[: flags.start], *map(bool, row[flags]), *row[flags.stop :]) for row in rows]


def predicting_runs(store: Store, collection: str) -> list[str]:
    """Names of the runs that have predictions for the collection, newest first."""
    with store.reading() as db:
        rows = db.execute(
            "select name from run where collection = ? and exists (select 1 from prediction where run = run.name) order by created desc",
            [collection],
        ).fetchall()
    return [row["name"] for row in rows]


def polygons(store: Store, samples: Iterable[int]) -> dict[int, dict]:
    """Field outlines, sample number -> GeoJSON geometry in EPSG:4326; samples whose site has none are left out."""
    with store.reading() as db:
        rows = db.execute(
            """select s.id, t.polygon from sample s join site t on t.id = s.site
            where t.polygon is not null and s.id in (select value from json_each(?))""",
            [json.dumps(list(samples))],
        ).fetchall()
    return {row["id"]: json.loads(row["polygon"]) for row in rows}


def greenest_slots(store: Store, samples: Iterable[int]) -> dict[int, int]:
    """Of every sample, the slot of the clear image with the highest median NDVI; samples without a clear image are left out."""
    samples = list(samples)
    with store.reading() as db:
        rows = db.execute(
            """select i.sample, i.slot, max(t.median) from image_quality i
            join index_stat t on t.image = i.image and t.name = 'NDVI'
            where i.quality = 'ok' and t.median is not null and i.sample in (select value from json_each(?))
            group by i.sample""",
            [json.dumps(samples)],
        ).fetchall()
        of_packed = db.execute(
            """select distinct s.collection from sample s join collection c on c.name = s.collection
            where c.packed and s.id in (select value from json_each(?))""",
            [json.dumps(samples)],
        ).fetchall()
    found = {row["sample"]: row["slot"] for row in rows}
    for row in of_packed:
        found |= _greenest_packed(store, row["collection"], samples)
    return found


def _greenest_packed(store: Store, collection: str, samples: list[int]) -> dict[int, int]:
    """`greenest_slots` of a packed collection, from its shards."""
    found: dict[int, int] = {}
    for block in packed.blocks(workspace.of(store), catalogue.collection(store, collection), samples):
        clear = np.where(block.quality == packed.OK, np.nan_to_num(block.index("NDVI"), nan=-np.inf), -np.inf)
        best, seen = clear.argmax(axis=1), np.isfinite(clear).any(axis=1)
        found |= dict(zip(block.samples[seen].tolist(), best[seen].tolist(), strict=True))
    return found


def by_label(points: list[Point], legend: list[LegendClass]) -> tuple[list[Group], list[int]]:
    """Groups by the crop in force, most frequent first, and every point's position in them."""
    faces = {entry.code: (entry.title, entry.name_fr, entry.color) for entry in legend}
    return _grouped([faces.get(point.code, NO_LABEL) for point in points])


def by_state(points: list[Point]) -> tuple[list[Group], list[int]]:
    """Groups by the state of verification, in the order of `STATES`, and every point's position in them."""
    return _grouped([STATES[point.state] for point in points], order=list(STATES.values()))


def by_prediction(points: list[Point], learned: list[LearnedClass]) -> tuple[list[Group], list[int]]:
    """Groups by predicted class, in the order of the classes, and every point's position in them."""
    faces = {entry.name: (entry.name, entry.name_fr, entry.color) for entry in learned}
    return _grouped([faces.get(point.predicted, NO_PREDICTION) for point in points], order=[*faces.values(), NO_PREDICTION])


def _grouped(faces: list[tuple[str, str, str]], order: list | None = None) -> tuple[list[Group], list[int]]:
    counts = Counter(faces)
    shown = [face for face in order if face in counts] if order else [face for face, _ in counts.most_common()]
    position = {face: at for at, face in enumerate(shown)}
    return [Group(*face, counts[face]) for face in shown], [position[face] for face in faces]
