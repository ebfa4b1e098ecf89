"""The samples of a collection as a table: where they are, their label in force, its state and a run's prediction. Reads only."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

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
COUNTED = ("Likely label error", "Erreur probable", "#7a0019")  # counted by confident learning
DOUBTS = (  # label quality below -> English, French, colour (ColorBrewer OrRd)
    (0.25, ("Label quality under 0.25", "Qualité sous 0,25", "#d7301f")),
    (0.5, ("0.25 to 0.5", "0,25 à 0,5", "#fc8d59")),
    (0.75, ("0.5 to 0.75", "0,5 à 0,75", "#fdcc8a")),
    (float("inf"), ("0.75 and more", "0,75 et plus", "#fef0d9")),
)
NO_SUSPICION = ("Not judged", "Non évalué", "#b9c2b6")
MICRO = 1_000_000  # of a degree: 0.1 m
RINGED, NO_PERCENTAGE = 1, 255  # in the files that the browser reads

SAMPLES = """
select s.id, s.name, t.lon, t.lat, t.region, s.year, s.inventory_code, l.code, l.state, l.verified, s.flagged, s.purity,
    c.learned, p.predicted, p.probability, x.rank, x.quality, x.counted
from sample s
join site t on t.id = s.site
join label l on l.sample = s.id
left join legend_class c on c.collection = s.collection and c.code = l.code
left join prediction p on p.sample = s.id and p.run = :run
left join suspect x on x.sample = s.id and x.run = :run
where s.collection = :collection and (:some is null or s.id in (select value from json_each(:some)))
order by s.id
"""
# What tells one ranking of a run's labels from another: the first of them, by an index.
RANKED = """
select coalesce(group_concat(sample || ' ' || quality), '') from (select sample, quality from suspect where run = ? order by rank limit 50)
"""
DECIDED_SINCE = "select distinct sample from event where id > ? and id <= ?"


@dataclass(frozen=True)
class Point:
    """A sample on the map.

    lon, lat: EPSG:4326.
    code: the label in force; None where the sample is rejected.
    learned: the learned class of the label in force; None outside every class.
    predicted, probability: of the run asked for; None where it predicted nothing.
    rank, quality, counted: of the run's suspicion of the label: rank 1 = most likely wrong, quality 0..1, low = likely wrong, counted =
        among those that confident learning counts as errors; None where it did not judge the label.
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
    rank: int | None = None
    quality: float | None = None
    counted: int | None = None

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


@dataclass(frozen=True)
class Samples:
    """All samples of a collection, as they were when `last_event` was the newest decision.

    points: in the order of import. ranked: tells the run's ranking of labels from another one of the same run.
    """

    points: tuple[Point, ...]
    last_event: int
    ranked: str = ""

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def by_id(self) -> dict[int, Point]:
        return {point.id: point for point in self.points}

    @cached_property
    def places(self) -> np.ndarray:
        """(2, N) float64 latitudes and longitudes, EPSG:4326."""
        return np.array([[point.lat for point in self.points], [point.lon for point in self.points]], dtype=np.float64).reshape(2, -1)

    def of_year(self, year: int | None) -> "Samples":
        """Those of a year; all of them where it is None."""
        return self if year is None else replace(self, points=tuple(point for point in self.points if point.year == year))


def points(store: Store, collection: str, run: str | None = None, some: Sequence[int] | None = None) -> list[Point]:
    """The samples of a collection in the order of import, with the predictions and suspicions of `run` if one is named.

    some: numbers of those that are wanted; None for all.
    """
    asked = {"run": run, "collection": collection, "some": None if some is None else json.dumps(list(some))}
    with store.reading() as db:
        db.conn.row_factory = None  # plain tuples in the order of Point's fields: half the time at 6,633 samples
        rows = db.execute(SAMPLES, asked).fetchall()
    flags = slice(9, 11)  # verified, flagged
    return [Point(*row[: flags.start], *map(bool, row[flags]), *row[flags.stop :]) for row in rows]


def samples(store: Store, collection: str, run: str | None, before: Samples | None = None) -> Samples:
    """All samples as they are now; of `before`, what has been decided since is read anew and the rest is kept."""
    with store.reading() as db:
        now = db.execute("select coalesce(max(id), 0) from event").fetchone()[0]
        count = db.execute("select count(*) from sample where collection = ?", [collection]).fetchone()[0]
        ranked = db.execute(RANKED, [run]).fetchone()[0]
        if before is not None and count == len(before.points) and now >= before.last_event and ranked == before.ranked:
            changed = [row[0] for row in db.execute(DECIDED_SINCE, [before.last_event, now])]
            fresh = {point.id: point for point in points(store, collection, run, changed)} if changed else {}
            kept = before.points if not fresh else tuple(fresh.get(point.id, point) for point in before.points)
            return before if now == before.last_event else replace(before, points=kept, last_event=now)
    return Samples(tuple(points(store, collection, run)), now, ranked)


def predicting_runs(store: Store, collection: str) -> list[str]:
    """Names of the runs that have predictions for the collection, newest first."""
    with store.reading() as db:
        rows = db.execute(
            "select name from run where collection = ? and exists (select 1 from prediction where run = run.name) order by created desc",
            [collection],
        ).fetchall()
    return [row["name"] for row in rows]


def suspecting_runs(store: Store, collection: str) -> list[str]:
    """Names of the runs that have judged the collection's labels, newest first."""
    with store.reading() as db:
        rows = db.execute(
            "select name from run where collection = ? and exists (select 1 from suspect where run = run.name) order by created desc",
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


def by_suspicion(points: list[Point]) -> tuple[list[Group], list[int]]:
    """Groups by how likely the label is wrong, the likeliest first, and every point's position in them."""
    return _grouped([_doubt(point) for point in points], order=[COUNTED, *(face for _, face in DOUBTS), NO_SUSPICION])


def _doubt(point: Point) -> tuple[str, str, str]:
    if point.quality is None:
        return NO_SUSPICION
    return COUNTED if point.counted else next(face for below, face in DOUBTS if point.quality < below)


def place_file(points: Sequence[Point]) -> bytes:
    """What the browser reads of where N samples are: int32, N latitudes and N longitudes in EPSG:4326 x `MICRO`, N sample numbers."""
    places = np.array([[point.lat for point in points], [point.lon for point in points]]).reshape(2, -1)
    numbers = np.array([[point.id for point in points]], dtype="<i4").reshape(1, -1)
    return np.vstack([np.rint(places * MICRO).astype("<i4"), numbers]).tobytes()


def name_file(points: Sequence[Point]) -> bytes:
    """The samples' names, a line each, UTF-8."""
    return "\n".join(" ".join(point.name.splitlines()) for point in points).encode()


def face_file(points: Sequence[Point], positions: Sequence[int], *, predicted: bool) -> bytes:
    """What the browser reads of how N samples look: uint8, N groups, N marks and N percentages.

    Args:
        positions: from a grouping of at most 256 groups.
        predicted: whether to ring what is predicted otherwise than labelled, and to tell the prediction's probability in per cent.
    """
    marks = [RINGED * (predicted and point.disagrees) for point in points]
    shares = [round(100 * point.probability) if predicted and point.probability is not None else NO_PERCENTAGE for point in points]
    return np.array([positions, marks, shares], dtype=np.uint8).tobytes()


def _grouped(faces: list[tuple[str, str, str]], order: list | None = None) -> tuple[list[Group], list[int]]:
    counts = Counter(faces)
    shown = [face for face in order if face in counts] if order else [face for face, _ in counts.most_common()]
    position = {face: at for at, face in enumerate(shown)}
    return [Group(*face, counts[face]) for face in shown], [position[face] for face in faces]
