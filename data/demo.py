"""The two real demo collections, from the files in data/demo/ (licences in data/demo/NOTICE.md)."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data import aci
from data.bands import L1C_BANDS
from data.importing import CollectionSpec, LearnedClass, LegendClass, NewSample

if TYPE_CHECKING:
    from data.importers.described import Plan

FILES = Path(__file__).parent / "demo"
REGION = "Upper Bavaria"
COPERNICUS = "Contains modified Copernicus Sentinel data 2018"

# Bavaria's land-use codes: code -> (French name, ACI class whose official colour it wears, learned class).
# English names come with the data. The six learned classes are the groups of at least ten parcels.
USE_CODES = {
    56: ("Bande tampon", 110, None), 62: ("Jachère (écologique)", 131, None), 63: ("Miscanthus", 141, None),
    114: ("Épeautre d'hiver", 138, "winter cereal"), 115: ("Blé d'hiver", 145, "winter cereal"),
    118: ("Amidonnier, engrain", 140, "winter cereal"), 121: ("Seigle d'hiver", 137, "winter cereal"),
    131: ("Orge d'hiver", 133, "winter cereal"), 132: ("Orge de printemps", 134, "spring cereal"),
    143: ("Avoine de printemps", 136, "spring cereal"), 156: ("Triticale d'hiver", 139, "winter cereal"),
    220: ("Féverole", 168, None), 311: ("Colza d'hiver", 153, "winter rapeseed"), 330: ("Soya", 158, None),
    400: ("Maïs", 147, "maize"), 410: ("Maïs (avec bandes fleuries)", 147, "maize"),
    421: ("Trèfle", 160, "clover and legumes"), 422: ("Trèfle et graminées", 161, "clover and legumes"),
    423: ("Luzerne", 162, "clover and legumes"), 424: ("Prairie temporaire", 122, None),
    425: ("Trèfle et luzerne", 163, "clover and legumes"), 441: ("Prairie semée", 122, None),
    451: ("Prairie de fauche", 110, "grassland"), 452: ("Pâturage fauché", 122, "grassland"), 453: ("Pâturage", 122, "grassland"),
    472: ("Seigle (plante entière)", 137, None), 485: ("Mélange légumineuses et céréales", 132, None),
    560: ("Gel des terres", 131, None), 591: ("Jachère (labours)", 131, None), 592: ("Jachère (prairie)", 131, None),
    600: ("Pomme de terre", 177, None), 958: ("Protection de la nature", 50, None),
    990: ("Autre surface non agricole", 30, None), 996: ("Aire de stockage", 34, None),
}  # fmt: skip
LEARNED = (
    ("maize", "maïs", 147), ("grassland", "prairie", 110), ("winter cereal", "céréale d'hiver", 145),
    ("winter rapeseed", "colza d'hiver", 153), ("spring cereal", "céréale de printemps", 134),
    ("clover and legumes", "trèfle et légumineuses", 161),
)  # fmt: skip
# The keys 1 ... 9, 0: the most frequent codes of the parcels.
DIGITS = (451, 115, 400, 131, 453, 422, 132, 311, 441, 114)
CLOUDY_DATES = ("2018-02-15", "2018-02-28")  # cloud or snow over the whole area (the data's description)


def fields() -> "Plan":
    """`bavaria-2018`: 20 fields, every acquisition March to July, every pixel kept at its true position (EPSG:3857), as
    `python -m data import-geotiff data/demo/bavaria_fields_2018` makes it."""
    from data.importers import folder  # late: only imports read GeoTIFFs
    from data.importers.described import Options

    return folder.plan(FILES / "bavaria_fields_2018", Options("bavaria-2018"))


def parcels_spec() -> CollectionSpec:
    """`bavaria-parcels-2018`: 301 parcels as 1 x 1 patches of 14 half-monthly dates."""
    colours, names = _colours(), {int(row["nc_code"]): row["crop"] for row in _parcels()}
    digit_of = {code: (place + 1) % 10 for place, code in enumerate(DIGITS)}
    legend = tuple(
        LegendClass(code, names[code], french, colours[wears], learned, digit_of.get(code))
        for code, (french, wears, learned) in USE_CODES.items()
    )
    return CollectionSpec(
        name="bavaria-parcels-2018",
        title="301 parcels near Freising, Bavaria, 2018 (parcel means)",
        bands=L1C_BANDS,
        level="L1C",
        slots=tuple(sorted({row["date"] for row in _parcels()})),
        height=1,
        width=1,
        composites=False,
        simulated=False,
        licence="MIT",
        attribution=f"Crop labels of Bavaria's agricultural administration by way of WorldCrops (MIT). {COPERNICUS}.",
        legend=legend,
        learned=tuple(LearnedClass(name, french, colours[wears]) for name, french, wears in LEARNED),
    )


def parcels() -> Iterator[NewSample]:
    """The 301 parcels with their outlines, in order of their number."""
    import geopandas

    outlines = geopandas.read_file(FILES / "bavaria_parcels_2018.gpkg").set_index("parcel_id").geometry
    by_parcel = defaultdict(list)
    for row in _parcels():
        by_parcel[int(row["parcel_id"])].append(row)
    for number, rows in sorted(by_parcel.items()):
        yield _parcel(number, sorted(rows, key=lambda row: row["date"]), outlines[number].__geo_interface__)


def _parcels() -> list[dict[str, str]]:
    with (FILES / "bavaria_parcels_2018_s2_l1c.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _parcel(number: int, rows: list[dict[str, str]], outline: dict) -> NewSample:
    columns = [f"B{band[1:].lstrip('0')}" for band in L1C_BANDS]  # the file says B1 for B01
    values = np.array([[float(row[column]) for column in columns] for row in rows])
    lon, lat = float(rows[0]["lon"]), float(rows[0]["lat"])
    west, south, east, north = _bounds(outline)
    return NewSample(
        name=f"parcel-{number:03d}-2018",
        site=f"parcel-{number:03d}",
        lon=lon,
        lat=lat,
        region=REGION,
        year=2018,
        inventory_code=int(rows[0]["nc_code"]),
        pixels=np.maximum(1, values.round()).astype(np.uint16)[:, :, None, None],  # 0 would say "no data"
        acquired=tuple(row["date"] for row in rows),
        interpolated=tuple(row["interpolated"] == "True" for row in rows),
        crs="EPSG:4326",
        transform=(east - west, 0.0, west, 0.0, south - north, north),
        polygon=outline,
        quality=tuple("cloud" if row["date"] in CLOUDY_DATES else None for row in rows),
    )


def _bounds(polygon: dict) -> tuple[float, float, float, float]:
    """(west, south, east, north) of a GeoJSON polygon."""
    from shapely.geometry import shape

    return shape(polygon).bounds


def _colours() -> dict[int, str]:
    """ACI code -> official colour."""
    return {entry.code: entry.color for entry in aci.legend()}
