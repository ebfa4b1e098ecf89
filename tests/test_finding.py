"""What is typed into the search field is found: names in any case and without accents, regions, and coordinates of every kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import BadInput
from data.workspace import Workspace
from labeling import finding
from tests.map_world import CANADA


def name_sites(workspace: Workspace, names: list[str], region: str | None = None) -> None:
    """Rename the collection's first sites, and their samples by adding the year."""
    with workspace.store.writing() as db:
        sites = db.execute("select id from site where collection = ? order by id limit ?", [CANADA, len(names)]).fetchall()
        for site, name in zip(sites, names, strict=True):
            db.execute("update site set name = ?, region = coalesce(?, region) where id = ?", [name, region, site["id"]])
            db.execute("update sample set name = ? || '-2019' where site = ?", [name, site["id"]])


def found(workspace: Workspace, text: str, **more) -> list[str]:
    return [hit.name for hit in finding.find(workspace.store, CANADA, text, **more)]


def test_the_exact_name_comes_first_then_what_begins_with_it_then_what_holds_it(demo):
    name_sites(demo, ["old-mill", "Mill Creek", "mill", "Watermill", "elsewhere"])
    assert found(demo, "MILL") == ["mill", "Mill Creek", "old-mill", "Watermill"]


@pytest.mark.parametrize("text", ["riviere", "RIVIÈRE", "Rivière-aux-é", "rivie\u0300re"])
def test_accents_and_letter_case_do_not_matter(demo, text):
    name_sites(demo, ["Rivière-aux-Épinettes", "Rivulet"])
    assert found(demo, text) == ["Rivière-aux-Épinettes"]


def test_a_sample_is_found_by_its_own_name_and_not_beside_its_site(demo):
    name_sites(demo, ["field-a", "field-b"])
    with demo.store.writing() as db:
        db.execute("update sample set name = 'PLOT 77' where name = 'field-b-2019'")
    assert found(demo, "field") == ["field-a", "field-b"]
    (hit,) = finding.find(demo.store, CANADA, "plot 77")
    assert (hit.kind, hit.name) == ("sample", "PLOT 77")
    assert hit.detail.endswith(", 2019")


def test_a_region_lies_in_the_middle_of_its_sites_and_tells_how_many(demo):
    name_sites(demo, ["a", "b", "c"], region="Québec")
    hit = next(hit for hit in finding.find(demo.store, CANADA, "quebec") if hit.kind == "region")
    with demo.store.reading() as db:
        lon, lat = db.execute("select avg(lon), avg(lat) from site where region = 'Québec'").fetchone()
    assert (hit.name, hit.detail, hit.lon, hit.lat) == ("Québec", "3 sites", lon, lat)


def test_signs_that_mean_something_to_sql_are_plain_text(demo):
    name_sites(demo, ["100%", "10_x", "10ax", "it's", "back\\slash"])
    assert found(demo, "100%") == ["100%"]
    assert found(demo, "10_") == ["10_x"]
    assert found(demo, "it's") == ["it's"]
    assert found(demo, "k\\s") == ["back\\slash"]


def test_no_more_than_asked_and_none_of_another_collection(demo):
    with demo.store.writing() as db:
        db.execute("update site set name = 'same ' || id")
    assert len(found(demo, "same")) == 20
    assert len(found(demo, "same", most=3)) == 3
    with demo.store.reading() as db:
        others = {row["name"] for row in db.execute("select name from site where collection <> ?", [CANADA])}
    assert not others & set(found(demo, "same", most=100_000))


@pytest.mark.parametrize("text", ["", "   ", "nowhere at all", "\u0301"])
def test_nothing_is_found_where_nothing_fits(demo, text):
    assert found(demo, text) == []


@pytest.mark.parametrize(
    ("text", "lon", "lat"),
    [
        ("43.51, -80.5", -80.5, 43.51),
        ("43.51 -80.5", -80.5, 43.51),
        ("43.51N 80.5W", -80.5, 43.51),
        ("43.51 N, 80.5 W", -80.5, 43.51),
        ("43.51 N, -80.5 W", -80.5, 43.51),
        ("80.5° W, 43.51° N", -80.5, 43.51),
        ("45,5 N; 73,5 O", -73.5, 45.5),
        ("43,51; -80,5", -80.5, 43.51),
        ("43,51 -80,5", -80.5, 43.51),
        ("N 43.51 W 80.5", -80.5, 43.51),
        ("""43° 30' 36" N, 80° 30' W""", -80.5, 43.51),
        ("43°30′36″n 80°30′w", -80.5, 43.51),
        ("48, 11", 11.0, 48.0),
        ("48,11", 11.0, 48.0),
        ("-33.9 18.4", 18.4, -33.9),
        ("33.9 s 18.4 e", 18.4, -33.9),
        ("0, 0", 0.0, 0.0),
    ],
)
def test_coordinates_are_read_as_people_type_them(demo, text, lon, lat):
    (hit,) = finding.find(demo.store, CANADA, text)
    assert hit.kind == "coordinates"
    assert (hit.lon, hit.lat) == pytest.approx((lon, lat), abs=1e-9)


@pytest.mark.parametrize("text", ["-180.5, 43.51", "95, 10", "43 N 80 N", "43 N 80", "200 E 10 N"])
def test_coordinates_of_no_place_on_earth_are_named(demo, text):
    with pytest.raises(BadInput, match="latitude"):
        finding.find(demo.store, CANADA, text)


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_every_place_is_found_again_from_how_it_is_shown(lat, lon):
    shown = f"{abs(lat):.5f}° {'NS'[lat < 0]}, {abs(lon):.5f}° {'EW'[lon < 0]}"
    assert finding.coordinates(shown) == pytest.approx((lon, lat), abs=6e-6)
    assert finding.coordinates(f"{lat:.7f}, {lon:.7f}") == pytest.approx((lon, lat), abs=1e-6)


@given(st.text(max_size=30))
def test_no_text_breaks_the_search(text):
    try:
        place = finding.coordinates(text)
    except BadInput:
        return
    assert place is None or (abs(place[0]) <= 180 and abs(place[1]) <= 90)
