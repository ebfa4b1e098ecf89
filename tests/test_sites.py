"""Sites from the files that users have: every kind, every CRS, and what is wrong with them."""

import csv
import gzip
import re
import zipfile
from itertools import chain
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Geod

from data import aci
from data.crop_names import crop_code
from data.errors import BadInput
from data.ingest.sites import read

TRUTH = Path(__file__).parent / "data" / "sites" / "canada_2023_on_pe.csv"
PLACES = [(-80.51050953546124, 44.23764463293388), (-63.1311, 46.2382), (-104.6189, 50.4452), (-139.5, 64.06)]
EARTH = Geod(ellps="WGS84")
CRSS = ("EPSG:4326", "EPSG:3978", "EPSG:3347", "EPSG:32617", "EPSG:3857", "EPSG:4269")


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def points(crs: str = "EPSG:4326") -> gpd.GeoDataFrame:
    frame = gpd.GeoDataFrame(
        {
            "nom": ["Nord", "Île", "Prairie", "Yukon"],
            "culture": ["Soya", "Pomme de terre", "Canola/Colza", "Orge"],
            "province": ["ON", "PE", "SK", "YT"],
        },
        geometry=[shapely.Point(place) for place in PLACES],
        crs="EPSG:4326",
    )  # fmt: skip
    return frame.to_crs(crs)


def fields(crs: str = "EPSG:4326") -> gpd.GeoDataFrame:
    """Squares of 400 m, and an L whose centroid lies outside it."""
    metres = gpd.GeoSeries([shapely.Point(place) for place in PLACES], crs="EPSG:4326").to_crs("EPSG:3978")
    shapes = [shapely.box(p.x - 200, p.y - 200, p.x + 200, p.y + 200) for p in metres[:3]]
    x, y = metres[3].x, metres[3].y
    shapes.append(shapely.Polygon([(x, y), (x + 900, y), (x + 900, y + 50), (x + 50, y + 50), (x + 50, y + 900), (x, y + 900)]))
    return gpd.GeoDataFrame({"id": [11, 12, 13, 14]}, geometry=shapes, crs="EPSG:3978").to_crs(crs)


def stored(frame: gpd.GeoDataFrame, folder: Path, kind: str) -> Path:
    path = folder / f"sites.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
    elif kind == "zip":
        frame.to_file(folder / "inner.shp")
        with zipfile.ZipFile(path, "w") as archive:
            for part in sorted(folder.glob("inner.*")):
                archive.write(part, f"folder/{part.name}")
    else:
        frame.to_file(path)
    return path


def metres_apart(site, place) -> float:
    return EARTH.inv(site.lon, site.lat, *place)[2]


# What comes in


def test_the_published_ground_truth_is_read_as_it_is():
    sites, report = read(TRUTH)
    with TRUTH.open() as file:
        rows = list(csv.DictReader(file))
    assert [(site.lon, site.lat, site.region, site.crop) for site in sites] == [
        (float(row["lon"]), float(row["lat"]), row["province"], int(row["aci_code"])) for row in rows
    ]
    assert (len(sites), sites[0].name, sites[-1].name, sites[0].polygon, sites[0].years) == (240, "site_001", "site_240", None, None)
    assert not report.left_out and not report.remarks


def test_its_crop_names_mean_its_codes():
    with TRUTH.open() as file:
        assert all(crop_code(row["crop"]) == int(row["aci_code"]) for row in csv.DictReader(file))
    assert [site.crop for site in read(TRUTH, crop="crop")[0]] == [site.crop for site in read(TRUTH)[0]]


@pytest.mark.parametrize("crs", CRSS)
@pytest.mark.parametrize("kind", ["gpkg", "shp", "zip", "parquet", "geojson"])
def test_points_of_any_kind_and_crs_come_to_longitude_and_latitude(tmp_path, kind, crs):
    sites, report = read(stored(points(crs), tmp_path, kind))
    assert [site.name for site in sites] == ["Nord", "Ile", "Prairie", "Yukon"]
    assert [site.crop for site in sites] == [158, 177, 153, 133]
    assert [site.region for site in sites] == ["ON", "PE", "SK", "YT"]
    assert max(metres_apart(site, place) for site, place in zip(sites, PLACES, strict=True)) < (3 if crs == "EPSG:4269" else 0.2)
    assert report.as_json() == {"done": 0, "left_out": {}, "remarks": {}}


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3978", "EPSG:3857"])
@pytest.mark.parametrize("kind", ["gpkg", "shp", "parquet", "geojson"])
def test_a_polygon_keeps_its_shape_and_has_its_point_inside(tmp_path, kind, crs):
    sites, _ = read(stored(fields(crs), tmp_path, kind))
    wanted = fields()
    assert [site.name for site in sites] == ["11", "12", "13", "14"]
    for site, shape in zip(sites, wanted.geometry, strict=True):
        got = shapely.geometry.shape(site.polygon)
        assert got.contains(shapely.Point(site.lon, site.lat))
        assert got.symmetric_difference(shape).area < 1e-4 * shape.area
    assert not wanted.geometry.iloc[3].contains(wanted.geometry.iloc[3].centroid)  # the L would be missed by its centroid


def test_the_point_of_several_parts_lies_in_the_largest(tmp_path):
    large, small = shapely.box(-80, 44, -79.99, 44.01), shapely.box(-79.98, 44, -79.979, 44.001)
    frame = gpd.GeoDataFrame({"name": ["a"]}, geometry=[shapely.MultiPolygon([small, large])], crs=4326)
    (site,), _ = read(stored(frame, tmp_path, "gpkg"))
    assert large.contains(shapely.Point(site.lon, site.lat)) and site.polygon["type"] == "MultiPolygon"


@pytest.mark.parametrize(
    ("east", "north"),
    [
        ("lon", "lat"), ("Longitude", "Latitude"), ("LONG", "LAT"), ("lng", "lat"), ("x", "y"), ("X", "Y"),
        ("Longitude (°)", "Latitude (°)"),
        ("site_lon", "site_lat"), ("POINT_X", "POINT_Y"), ("longitude_wgs84", "latitude_wgs84"), ("Coord. X", "Coord. Y"),
    ],
)  # fmt: skip
def test_columns_of_coordinates_are_found_by_their_names(tmp_path, east, north):
    file = write(tmp_path / "a.csv", f"note,{north},{east}\nfirst,44.5,-80.25\n")
    assert [(site.lon, site.lat) for site in read(file)[0]] == [(-80.25, 44.5)]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_separators_and_encodings_are_recognised(tmp_path, separator, encoding):
    text = "\r\n".join(
        separator.join(row)
        for row in (["Nom", "Longitude", "Latitude", "Année", "Culture"], ["Été", "-71.25", "46.5", "2023", "Blé d'hiver"])
    )
    (site,), _ = read(write(tmp_path / "a.csv", text, encoding))
    assert (site.name, site.lon, site.lat, site.years, site.crop) == ("Ete", -71.25, 46.5, (2023,), 145)


@pytest.mark.parametrize("line", ["a;-71,25;46,5", 'a,"-71,25","46,5"', "a\t−71.25\t46.5°"])
def test_decimal_commas_and_other_signs_are_numbers(tmp_path, line):
    separator = next(mark for mark in ";\t," if mark in line)
    (site,), _ = read(write(tmp_path / "a.csv", f"name,lon,lat\n{line}\n".replace("name,lon,lat", separator.join(["name", "lon", "lat"]))))
    assert (site.lon, site.lat) == (-71.25, 46.5)


def test_a_packed_csv_is_read(tmp_path):
    file = tmp_path / "truth.csv.gz"
    file.write_bytes(gzip.compress(TRUTH.read_bytes()))
    assert read(file)[0] == read(TRUTH)[0]


def test_a_csv_in_metres_comes_in_with_its_crs(tmp_path):
    frame = points("EPSG:3978")
    text = "id,x,y\n" + "\n".join(f"{at},{point.x!r},{point.y!r}" for at, point in enumerate(frame.geometry))
    sites, _ = read(write(tmp_path / "a.csv", text), crs="EPSG:3978")
    assert max(metres_apart(site, place) for site, place in zip(sites, PLACES, strict=True)) < 0.01


def test_a_plain_parquet_and_a_table_without_geometry_have_columns(tmp_path):
    frame = pd.read_csv(TRUTH)
    frame.to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")[0] == read(TRUTH)[0]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(TRUTH, "truth.csv")
    assert [(site.lon, site.crop) for site in read(tmp_path / "a.zip")[0]] == [(site.lon, site.crop) for site in read(TRUTH)[0]]


def test_a_packed_geojson_is_read(tmp_path):
    file = stored(points(), tmp_path, "geojson")
    (tmp_path / "b.geojson.gz").write_bytes(gzip.compress(file.read_bytes()))
    assert read(tmp_path / "b.geojson.gz")[0] == read(file)[0]


def test_rows_of_several_years_are_one_site(tmp_path):
    file = write(
        tmp_path / "a.csv",
        "name,lon,lat,year,crop\nA,-80.5,44.2,2019,Corn\nA,-80.5,44.2,2020,Soybean\nB,-80.6,44.2,2019,Corn\nB,-80.600001,44.2,2021,Corn\n",
    )
    (a, b), report = read(file)
    assert (a.years, a.crop, a.crops) == ((2019, 2020), None, {2019: 147, 2020: 158})
    assert (a.crop_in(2019), a.crop_in(2020), a.crop_in(2021)) == (147, 158, None)
    assert (b.years, b.crop, b.crop_in(2030)) == ((2019, 2021), 147, 147)
    assert not report.left_out


@pytest.mark.parametrize(
    ("told", "years"),
    [
        ("2023", (2023,)),
        ("2019; 2021", (2019, 2021)),
        ("2018-2020", (2018, 2019, 2020)),
        ("2021-06-15", (2021,)),
        ("", None),
        ("06/2021", (2021,)),
    ],
)
def test_years_are_read_from_what_people_write(tmp_path, told, years):
    (site,), report = read(write(tmp_path / "a.csv", f"lon,lat,year\n-80,44,{told}\n"))
    assert site.years == years and not report.remarks


def test_dates_of_a_geopackage_give_their_year(tmp_path):
    frame = points().assign(date=pd.to_datetime(["2019-06-01", "2020-06-01", "2021-06-01", None]))
    assert [site.years for site in read(stored(frame, tmp_path, "gpkg"))[0]] == [(2019,), (2020,), (2021,), None]


def test_named_columns_are_taken(tmp_path):
    file = write(tmp_path / "a.csv", "e,n,who,where,what,when\n-80,44,x1,north,158,2020\n")
    (site,), _ = read(file, lon="E", lat="n", name="who", region="where", crop="what", year="when")
    assert (site.name, site.region, site.crop, site.years) == ("x1", "north", 158, (2020,))


def test_every_name_of_the_inventory_means_its_code():
    for entry in aci.legend():
        assert crop_code(entry.name) == crop_code(entry.name.upper().replace(" ", "_")) == entry.code
        assert crop_code(entry.name_fr) == entry.code and crop_code(entry.code) == crop_code(f"{entry.code}.0") == entry.code


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ("Wheat - Winter", 145), ("Blé d’hiver", 145), ("soybeans", 158), ("Soja", 158), ("POTATOES", 177), ("Corn (grain)", 147),
        ("Canola / Rapeseed", 153), ("mais", 147), ("sugar beet", 178), ("Peas", 162), ("blueberries", 182), ("triticum", None), ("", None),
        ("999", None),
    ],
)  # fmt: skip
def test_crops_are_known_by_the_names_in_use(told, code):
    assert crop_code(told) == code


# What is wrong with files


def refused(path: Path, **how) -> str:
    with pytest.raises(BadInput) as error:
        read(path, **how)
    assert str(path) in str(error.value)
    return str(error.value)


def test_a_csv_without_coordinates_is_told_its_columns(tmp_path):
    text = refused(write(tmp_path / "a.csv", "field,crop\na,Corn\n"))
    assert "field, crop" in text and "--lon" in text


@pytest.mark.parametrize("text", ["", "\n", "lon,lat\n"])
def test_a_file_without_rows_is_refused(tmp_path, text):
    assert re.search("is empty|has no rows", refused(write(tmp_path / "a.csv", text)))


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson", "a.shp", "a.parquet", "a.zip", "a.tif", "a.json.gz", "a.csv.gz"])
def test_a_file_that_is_something_else_is_refused(tmp_path, name):
    refused(write(tmp_path / name, "<!DOCTYPE html><html>Sign in</html>"), **({"lon": "x", "lat": "y"} if name == "a.csv.gz" else {}))


@pytest.mark.parametrize("kind", ["gpkg", "parquet", "zip", "geojson"])
def test_half_a_file_is_refused_or_gives_whole_sites(tmp_path, kind):
    file = stored(points(), tmp_path, kind)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    try:
        sites, _ = read(file)
    except BadInput:
        return
    assert {site.name for site in sites} <= {"Nord", "Ile", "Prairie", "Yukon"}


def test_half_a_packed_csv_and_a_binary_one_are_refused(tmp_path):
    file = tmp_path / "a.csv.gz"
    file.write_bytes(gzip.compress(TRUTH.read_bytes())[:500])
    assert "damaged" in refused(file)
    binary = tmp_path / "b.csv"
    binary.write_bytes(b"lon,lat\0\0\0")
    assert "is no text" in refused(binary)


def test_a_missing_file_is_named(tmp_path):
    assert "There is no file" in refused(tmp_path / "nothing.csv")


def test_a_shapefile_without_its_prj_wants_a_crs_and_takes_one(tmp_path):
    file = stored(points("EPSG:3978"), tmp_path, "shp")
    file.with_suffix(".prj").unlink()
    assert "--sites-crs" in refused(file)
    sites, _ = read(file, crs="EPSG:3978")
    assert max(metres_apart(site, place) for site, place in zip(sites, PLACES, strict=True)) < 0.2
    with pytest.raises(BadInput, match="There is no CRS 'EPSG:nonsense'"):
        read(file, crs="EPSG:nonsense")


def test_a_geoparquet_without_a_crs_wants_one(tmp_path):
    assert "--sites-crs" in refused(stored(points().set_crs(None, allow_override=True), tmp_path, "parquet"))


def test_layers_are_named_and_chosen(tmp_path):
    file = tmp_path / "a.gpkg"
    points().to_file(file, layer="points")
    fields().to_file(file, layer="fields")
    assert "points, fields" in refused(file)
    assert len(read(file, layer="fields")[0]) == 4
    assert "no layer 'x'" in refused(file, layer="x")


def test_files_in_a_zip_are_named_and_chosen(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for kind in ("one", "two"):
            points().to_file(tmp_path / f"{kind}.geojson")
            archive.write(tmp_path / f"{kind}.geojson", f"{kind}.geojson")
    assert "one, two" in refused(tmp_path / "a.zip")
    assert len(read(tmp_path / "a.zip", layer="two")[0]) == 4


def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("data.ingest.tables.UNPACKED_BYTES", 1000)
    monkeypatch.setattr("data.ingest.tables.TABLE_BYTES", 1000)
    assert "would unpack to" in refused(stored(points(), tmp_path, "zip"))
    assert "holds more than" in refused(write(tmp_path / "a.csv", "lon,lat\n" + "1,2\n" * 1000))


def test_columns_that_are_not_there_are_refused_with_those_that_are(tmp_path):
    file = write(tmp_path / "a.csv", "lon,lat\n-80,44\n")
    assert "lon, lat" in refused(file, name="who")
    assert "lon, lat" in refused(file, lon="easting", lat="lat")


@pytest.mark.parametrize("rows", [PLACES[:1], PLACES, [(-55.5, 51.5), (-54.0, 48.0)]])
def test_swapped_columns_are_found_and_the_way_out_works(tmp_path, rows):
    file = write(tmp_path / "a.csv", "lon,lat\n" + "\n".join(f"{lat},{lon}" for lon, lat in rows))
    text = refused(file)
    assert "seem to be swapped" in text and "--lon lat --lat lon" in text
    sites, _ = read(file, lon="lat", lat="lon")
    assert [(site.lon, site.lat) for site in sites] == rows


def test_columns_that_only_look_swapped_can_be_forced(tmp_path):
    file = write(tmp_path / "a.csv", "lon,lat\n44.5,-63.5\n45.5,-75.5\n")  # the Southern Ocean
    assert "--lon lon --lat lat if they are right" in refused(file)
    assert [site.lat for site in read(file, lon="lon", lat="lat")[0]] == [-63.5, -75.5]


def test_a_swapped_geojson_is_found(tmp_path):
    frame = gpd.GeoDataFrame({"name": ["a", "b"]}, geometry=[shapely.Point(44.2, -80.5), shapely.Point(46.2, -63.1)], crs=4326)
    file = stored(frame, tmp_path, "geojson")
    assert "seem to be swapped" in refused(file)
    assert len(read(file, crs="EPSG:4326")[0]) == 2


def test_one_swapped_row_is_left_out_and_the_others_stay(tmp_path):
    file = write(tmp_path / "a.csv", "name,lon,lat\na,-80.5,44.2\nb,44.2,-104.5\nc,-80.6,44.2\n")
    sites, report = read(file)
    assert [site.name for site in sites] == ["a", "c"]
    assert report.as_json()["left_out"]["swapped longitude and latitude"]["names"] == ["b"]


def test_places_of_other_continents_do_not_look_swapped(tmp_path):
    rows = [(11.6, 48.4), (36.8, -1.3), (147.3, -42.9), (-68.3, -54.8), (25.0, 66.0), (-70.0, -33.0), (174.8, -41.3)]
    for at, (lon, lat) in enumerate(rows):
        (site,), _ = read(write(tmp_path / f"{at}.csv", f"lon,lat\n{lon},{lat}\n"))
        assert (site.lon, site.lat) == (lon, lat)


def test_metres_without_a_crs_are_told_apart_from_degrees(tmp_path):
    assert "--sites-crs EPSG:3978" in refused(write(tmp_path / "a.csv", "x,y\n1180000,-30000\n1190000,-31000\n"))
    frame = points("EPSG:3978").set_crs(4326, allow_override=True)
    assert "--sites-crs EPSG:3978" in refused(stored(frame, tmp_path, "geojson"))


def test_a_file_of_which_nothing_is_left_says_why(tmp_path):
    assert "missing coordinates" in refused(write(tmp_path / "a.csv", "lon,lat\n,\n,44\n"))


# What is wrong with single sites


def test_bad_rows_are_counted_and_named_and_the_good_ones_stay(tmp_path):
    lines = [
        "name,lon,lat,crop,year",
        "good,-80.5,44.2,Corn,2020",
        "none,,44.2,Corn,2020",
        "text,west,44.2,Corn,2020",
        "far,-200.5,44.2,Corn,2020",
        "zero,0,0,Corn,2020",
        "long,-80.5,44.2,Corn,2020,and more",
        "near,-80.500005,44.2,Corn,2020",
        "good,-81.5,44.2,Corn,2020",
        "odd,-82.5,44.2,Dragon fruit,soon",
        "short,-83.5,44.2",
    ]
    sites, report = read(write(tmp_path / "a.csv", "\n".join(lines)))
    assert [site.name for site in sites] == ["good", "odd", "short"]
    told = report.as_json()
    assert {kind: found["names"] for kind, found in told["left_out"].items()} == {
        "missing coordinates": ["none", "row 6", "zero"],
        "coordinates that are no numbers": ["text"],
        "coordinates out of range": ["far"],
        "duplicate sites": ["near", "good"],
    }
    assert told["remarks"]["crops that the inventory does not name"]["names"] == ["Dragon fruit"]
    assert told["remarks"]["years that are none"]["names"] == ["odd"]
    assert sites[1].crop is None and sites[1].years is None


def test_geometries_are_repaired_or_left_out_by_name(tmp_path):
    box = shapely.box(-80, 44, -79.99, 44.01)
    bow = shapely.Polygon([(-80, 45), (-79.99, 45.01), (-79.99, 45), (-80, 45.01)])
    shapes = {
        "box": box,
        "bow": bow,
        "none": None,
        "empty": shapely.Polygon(),
        "line": shapely.LineString([(-80, 44), (-79, 44)]),
        "flat": shapely.Polygon([(-80, 46), (-79, 46), (-80, 46)]),
        "high": shapely.Point(-81, 44, 250),
        "lone": shapely.MultiPoint([(-82, 44)]),
        "two": shapely.MultiPoint([(-82, 44), (-83, 44)]),
    }
    file = stored(gpd.GeoDataFrame({"name": list(shapes)}, geometry=list(shapes.values()), crs=4326), tmp_path, "parquet")
    sites, report = read(file)
    assert [site.name for site in sites] == ["box", "bow", "high", "lone"]
    told = report.as_json()
    assert told["left_out"]["empty geometries"]["names"] == ["none", "empty"]
    assert told["left_out"]["neither points nor polygons"]["names"] == ["line", "two"]
    assert told["left_out"]["polygons without an area"]["names"] == ["flat"]
    assert told["remarks"]["polygons repaired"]["names"] == ["bow"]
    repaired = shapely.geometry.shape(sites[1].polygon)
    assert repaired.is_valid and repaired.contains(shapely.Point(sites[1].lon, sites[1].lat))
    assert not shapely.geometry.shape({"type": "Point", "coordinates": (sites[2].lon, sites[2].lat)}).has_z


def test_a_place_that_the_crs_cannot_hold_is_left_out(tmp_path):
    file = write(tmp_path / "a.csv", "name,x,y\na,500000,4900000\nb,1e12,1e12\n")
    sites, report = read(file, crs="EPSG:32617")
    assert [site.name for site in sites] == ["a"] and report.left_out[0].name == "b"


def test_numbers_of_another_inventory_are_not_taken_for_codes_unless_named(tmp_path):
    file = write(tmp_path / "a.csv", "lon,lat,crop\n11.6,48.4,131\n11.7,48.4,115\n")
    sites, report = read(file)
    assert [site.crop for site in sites] == [None, None]
    assert report.remarks[0].fact == "if its numbers are ACI codes, give --crop-column crop"
    sites, report = read(file, crop="crop")
    assert [site.crop for site in sites] == [131, None] and report.remarks[0].name == "115"


def test_a_column_that_hardly_tells_sites_apart_does_not_name_them(tmp_path):
    rows = "\n".join(f"-80.{at},44.2,{'farm' if at else 'other'}" for at in range(8))
    assert [site.name for site in read(write(tmp_path / "a.csv", f"lon,lat,name\n{rows}"))[0]] == [f"site_{at}" for at in range(1, 9)]


def test_names_are_safe_for_files_and_stay_apart(tmp_path):
    names = ["../../etc/passwd", "a/b", "a b", "Forêt n° 3", "北", "", "x" * 300]
    rows = "\n".join(f'"{name}",-80.{at},44.2' for at, name in enumerate(names))
    sites, report = read(write(tmp_path / "a.csv", f"name,lon,lat\n{rows}"))
    assert [site.name for site in sites] == ["etc_passwd", "a_b", "a_b_2", "Foret_n_3", "site_5", "site_6", "x" * 80]
    assert not report.left_out


def test_duplicates_within_a_metre_equal_a_brute_force_count(tmp_path):
    random = np.random.default_rng(3)
    places = np.column_stack([-100 + random.uniform(0, 8e-5, 150), 60 + random.uniform(0, 4e-5, 150)])
    kept: list[tuple[float, float]] = []
    for lon, lat in places:  # the first of each neighbourhood stays
        if all(EARTH.inv(lon, lat, *other)[2] > 1 for other in kept):
            kept.append((lon, lat))
    file = write(tmp_path / "a.csv", "lon,lat\n" + "\n".join(f"{lon!r},{lat!r}" for lon, lat in places.tolist()))
    sites, report = read(file)
    assert len(sites) + len(report.left_out) == 150
    assert abs(len(sites) - len(kept)) <= 2  # a sphere against the ellipsoid: 0.3 % of a metre
    assert len(kept) < 60


def test_the_antimeridian_does_not_keep_neighbours_apart(tmp_path):
    sites, report = read(write(tmp_path / "a.csv", "lon,lat\n179.999999,66\n-179.999999,66\n"))
    assert len(sites) == 1 and len(report.left_out) == 1


cells = st.one_of(
    st.text(alphabet=st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\r\n"), max_size=12),
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.floats(-180, 180).map(repr),
    st.just(""),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(cells, cells, cells, cells, cells), max_size=8))
def test_any_table_gives_sites_and_a_report_that_add_up_or_is_refused(tmp_path, rows):
    file = tmp_path / "any.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([["name", "lon", "lat", "crop", "year"], *rows])
    try:
        sites, report = read(file, lon="lon", lat="lat")
    except BadInput:
        return
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    assert len(sites) + len(report.left_out) <= len(filled)  # rows of other years at the same place are one site
    assert len({site.name for site in sites}) == len(sites)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", site.name) and -180 <= site.lon <= 180 and -90 <= site.lat <= 90 for site in sites)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.floats(-135, -55), st.floats(42, 70)), min_size=1, max_size=6, unique=True))
def test_canadian_places_come_back_whatever_the_crs(tmp_path, places):
    frame = gpd.GeoDataFrame({"id": range(len(places))}, geometry=[shapely.Point(place) for place in places], crs=4326).to_crs("EPSG:3978")
    frame.to_parquet(tmp_path / "a.parquet")
    sites, report = read(tmp_path / "a.parquet")
    assert len(sites) + len(report.left_out) == len(places)
    assert all(min(metres_apart(site, place) for place in places) < 0.01 for site in sites)
    assert set(chain.from_iterable(site.years or () for site in sites)) == set()
