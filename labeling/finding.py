"""Finding a place on the map: a site or sample by its name, a region, or coordinates as people type them. Reads only.

Letter case and accents do not matter. Names that are what was typed come first, then those that begin with it, then those that hold it.
"""

import re
import unicodedata
from dataclasses import dataclass

from data.errors import BadInput
from data.store import Store

MOST = 20
LONGEST = 200  # characters that are looked at
# SQLite's LIKE folds the case of ASCII letters; names with others are folded here, one by one.
MATCHES = "({name} like :held escape '\\' or ({name} glob '*[^ -~]*' and plain({name}) like :held escape '\\'))"
RANK = "case when plain({name}) = :text then 0 when plain({name}) like :begun escape '\\' then 1 else 2 end"
FOUND = f"""
select kind, name, detail, lon, lat from (
    select 'region' as kind, t.region as name, count(*) as detail, avg(t.lon) as lon, avg(t.lat) as lat,
        {RANK.format(name="t.region")} as rank
    from site t where t.collection = :collection and t.region <> '' and {MATCHES.format(name="t.region")} group by t.region
    union all
    select 'site', t.name, t.region, t.lon, t.lat, {RANK.format(name="t.name")} from site t
    where t.collection = :collection and {MATCHES.format(name="t.name")}
    union all
    select 'sample', s.name, t.region || ', ' || s.year, t.lon, t.lat, {RANK.format(name="s.name")}
    from sample s join site t on t.id = s.site
    where s.collection = :collection and {MATCHES.format(name="s.name")} and not {MATCHES.format(name="t.name")}
) order by rank, length(name), name limit :most
"""
NUMBER = r"(\d+(?:\.\d+)?)"
ANGLE = rf"([+-]?)\s*{NUMBER}\s*°?\s*(?:{NUMBER}\s*['′’]\s*)?(?:{NUMBER}\s*(?:\"|″|'')\s*)?"
SEPARATOR = r"\s*[,;\s]\s*"
BEHIND = re.compile(rf"{ANGLE}([NSEWO]?){SEPARATOR}{ANGLE}([NSEWO]?)", re.IGNORECASE)
BEFORE = re.compile(rf"([NSEWO])\s*{ANGLE}{SEPARATOR}([NSEWO])\s*{ANGLE}", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")


@dataclass(frozen=True)
class Hit:
    """Something that was found.

    kind: site, sample, region or coordinates. detail: where it is, or of a region how many sites it has.
    lon, lat: EPSG:4326; of a region the mean of its sites.
    """

    kind: str
    name: str
    detail: str
    lon: float
    lat: float


def find(store: Store, collection: str, text: str, *, most: int = MOST) -> list[Hit]:
    """Up to `most` hits, the best first; none where nothing was typed.

    Raises:
        BadInput: the text is coordinates, of no place on Earth.
    """
    text = text.strip()[:LONGEST]
    place = coordinates(text)
    if place:
        lon, lat = place
        return [Hit("coordinates", f"{abs(lat):.5f}° {'NS'[lat < 0]}, {abs(lon):.5f}° {'EW'[lon < 0]}", "", lon, lat)]
    wanted = plain(text)
    if not wanted:
        return []
    escaped = re.sub(r"([\\%_])", r"\\\1", wanted)
    values = {"collection": collection, "text": wanted, "begun": f"{escaped}%", "held": f"%{escaped}%", "most": most}
    with store.reading() as db:
        db.register_function(plain, deterministic=True)
        return [_hit(*row) for row in db.execute(FOUND, values)]


def _hit(kind: str, name: str, detail: str | int, lon: float, lat: float) -> Hit:
    return Hit(kind, name, f"{detail:,} sites" if kind == "region" else str(detail), lon, lat)


def plain(text: str) -> str:
    """The text in small letters without accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(sign))


def coordinates(text: str) -> tuple[float, float] | None:
    """Longitude and latitude (EPSG:4326) of coordinates as people type them, None where the text is none.

    Two numbers are latitude and longitude, in this order: `43.51, -80.5`, also with a decimal comma: `43,51; -80,5`. With letters they
    come in any order: `80.5 W 43.51 N`, `N 43° 30' 36" W 80° 30'`. O is the French west.

    Raises:
        BadInput: they are of no place on Earth, or both are latitudes or longitudes.
    """
    angles = _angles(DECIMAL_COMMA.sub(".", text) if len(DECIMAL_COMMA.findall(text)) == 2 else text)
    if angles is None:
        return None
    (one, first), (other, second) = angles
    if bool(first) != bool(second) or (first and (first in "NS") == (second in "NS")):
        raise BadInput(f"{text!r} is not one latitude and one longitude. Type them as in 43.51, -80.5 or 43.51 N, 80.5 W.")
    lat, lon = (other, one) if first and first in "EW" else (one, other)
    if not (abs(lat) <= 90 and abs(lon) <= 180):
        raise BadInput(
            f"There is no latitude {lat:g} with longitude {lon:g}: latitudes go to 90, longitudes to 180. "
            "Latitude comes first: 43.51, -80.5."
        )
    return lon, lat


def _angles(text: str) -> list[tuple[float, str]] | None:
    """Two angles in degrees, each with its letter N, S, E or W, or without."""
    if found := BEHIND.fullmatch(text.strip()):
        parts = [(found.groups()[:4], found.group(5)), (found.groups()[5:9], found.group(10))]
    elif found := BEFORE.fullmatch(text.strip()):
        parts = [(found.groups()[1:5], found.group(1)), (found.groups()[6:10], found.group(6))]
    else:
        return None
    return [_degrees(*angle, letter.upper().replace("O", "W")) for angle, letter in parts]


def _degrees(sign: str, degrees: str, minutes: str | None, seconds: str | None, letter: str) -> tuple[float, str]:
    size = float(degrees) + float(minutes or 0) / 60 + float(seconds or 0) / 3600
    return (-size if sign == "-" or letter in ("S", "W") else size), letter  # "-80.5 W" is said twice, not turned round
