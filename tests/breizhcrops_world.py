"""A small BreizhCrops in the published layout. Its reflectances are those of real parcels: the Bavarian ones in data/demo."""

import csv
from collections import defaultdict
from functools import cache
from pathlib import Path

import h5py
import numpy as np

from data import demo
from data.importers.breizhcrops import ORDERS

COLUMNS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
CROPS = {115: "BTH", 131: "ORH", 311: "CZH", 400: "MIS", 451: "PPH", 422: "PTR", 132: "ORP", 453: "PRL", 600: "PTC"}  # Bavarian -> RPG
MAPPING = {
    0: ("barley", ("ORH", "ORP")), 1: ("wheat", ("BTH", "BTP")), 2: ("rapeseed", ("CZH", "CZP")), 3: ("corn", ("MID", "MIE", "MIS")),
    4: ("sunflower", ("TRN",)), 5: ("orchards", ("AGR", "PFR", "PWT", "VRG")), 6: ("nuts", ("CAB", "CTG", "NOS", "NOX", "PIS")),
    7: ("permanent meadows", ("PPH", "PRL")), 8: ("temporary meadows", ("PTR", "RGA")),
}  # fmt: skip
CODES = """Code Culture;Libellé Culture;Code Groupe Culture;Libellé Groupe Culture
BTH;Blé tendre d'hiver;1;Blé tendre
MIS;Maïs;2;Maïs grain et ensilage
ORH;Orge d'hiver;3;Orge
ORP;Orge de printemps;3;Orge
CZH;Colza d'hiver;5;Colza
TRN;Tournesol;6;Tournesol
PPH;Prairie permanente - herbe prédominante (ressources fourragères ligneuses absentes ou peu présentes);18;Prairies permanentes
PRL;Prairie en rotation longue (6 ans ou plus);18;Prairies permanentes
PTR;Autre prairie temporaire de 5 ans ou moins;19;Prairies temporaires
PTC;Pomme de terre de consommation;25;Légumes ou fleurs
"""


@cache
def parcels() -> tuple[tuple[str, np.ndarray, np.ndarray], ...]:
    """Crop code, days of year (14,) and reflectance x 10 000 (14, 13) of the Bavarian parcels of CROPS, in the order of COLUMNS."""
    rows = defaultdict(list)
    with (demo.FILES / "bavaria_parcels_2018_s2_l1c.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            rows[int(row["parcel_id"])].append(row)
    found = []
    for _, dates in sorted(rows.items()):
        crop = CROPS.get(int(dates[0]["nc_code"]))
        days = np.array([np.datetime64(row["date"]) for row in dates])
        values = np.array([[float(row[f"B{band[1:].lstrip('0')}"]) for band in COLUMNS] for row in dates])
        if crop:
            order = np.argsort(days)
            found.append((crop, (days[order] - np.datetime64("2018-01-01")).astype(int) + 1, values[order]))
    return tuple(found)


def season(parcel: int, days: np.ndarray) -> tuple[str, np.ndarray]:
    """Crop code, and reflectance (n, 13) of a real parcel on any days of the year, between its own dates by interpolation."""
    crop, known, values = parcels()[parcel % len(parcels())]
    return crop, np.stack([np.interp(days, known, values[:, band]) for band in range(len(COLUMNS))], axis=1)


def array(
    days: np.ndarray, values: np.ndarray, order: tuple[str, ...], *, year: int = 2017, cloudy: np.ndarray | None = None
) -> np.ndarray:
    """(n, columns) float64 as the package writes it: nanoseconds in `doa`, the masks 0 but where `cloudy`."""
    cloudy = np.zeros(len(days), bool) if cloudy is None else cloudy
    doa = (np.datetime64(f"{year}-01-01") + np.asarray(days) - 1).astype("datetime64[ns]").astype(np.int64)
    by_name = dict(zip(COLUMNS, values.T, strict=True)) | {"doa": doa.astype(float), "QA60": cloudy * 1024.0, "CLD": cloudy * 1.0}
    return np.stack([by_name.get(name, np.zeros(len(days))) for name in order], axis=1)


def make(
    root: Path, regions: dict[str, int], *, year: int = 2017, level: str = "L1C", order: int = 0, outlines: bool = True, seed: int = 0
) -> Path:
    """Write regions with so many parcels each; parcel p of a region has the number 1000 + p and 8 to 14 dates.

    order: position in ORDERS of the level, how the columns are ordered.
    """
    write_tables(root)
    folder = root / str(year) / level
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for region, count in regions.items():
        lines = []
        with h5py.File(folder / f"{region}.h5", "w") as file:
            for number in range(count):
                known = parcels()[number % len(parcels())][1]
                days = np.sort(random.choice(known, 8 + number % 7, replace=False))
                crop, values = season(number, days)
                path = f"csv/{region}/{1000 + number}.csv"
                file.create_dataset(path, data=array(days, values, ORDERS[level][order], year=year, cloudy=days < 60))
                lines.append((len(lines), 0.0, 1000 + number, crop, path, number + 1, len(days)))
        write_index(folder / f"{region}.csv", lines)
        if outlines:
            write_outlines(root / str(year) / f"{region}.shp", [line[2] for line in lines], seed=len(region) + int(region[-1:], 36))
    return root


def write_tables(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    mapped = [(number, name, code) for number, (name, codes) in MAPPING.items() for code in codes]
    lines = [f"{row},{number},{name},{code}" for row, (number, name, code) in enumerate(mapped)]
    (root / "classmapping.csv").write_text("\n".join([",id,classname,code", *lines]) + "\n")
    (root / "codes.csv").write_text(CODES, encoding="utf-8")


def write_index(path: Path, lines: list[tuple]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["", "meanQA60", "id", "CODE_CULTU", "path", "idx", "sequencelength"])
        writer.writerows(lines)


def write_outlines(path: Path, numbers: list[int], *, seed: int = 0) -> None:
    """Fields of 100 m x 60 m on a grid in Lambert-93, near Rennes."""
    import geopandas
    from shapely.geometry import box

    shapes = [box(x, y, x + 100, y + 60) for x, y in (corner(number, seed) for number in numbers)]
    geopandas.GeoDataFrame({"ID": numbers}, geometry=shapes, crs=2154).to_file(path)


def corner(number: int, seed: int = 0) -> tuple[float, float]:
    """South-west corner of a field in Lambert-93."""
    return 350_000 + 5_000 * seed + 300 * (number % 40), 6_780_000 + 300 * (number // 40 % 40)
