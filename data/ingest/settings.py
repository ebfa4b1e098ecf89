"""What an ingest is asked for: seasons, patch, bands, masks. Pure; no I/O."""

import calendar
import json
from dataclasses import asdict, dataclass
from datetime import date

from data.bands import L2A_BANDS
from data.errors import BadInput
from data.importing import check_name
from data.screening import MASKED_SCL

PIXEL_M = 10
RESAMPLING = ("nearest", "bilinear")


@dataclass(frozen=True)
class Season:
    """The days that a sample's images are taken from, both ends in. year: the sample's year."""

    year: int
    start: date
    end: date


@dataclass(frozen=True)
class Settings:
    """An ingest, as far as its pixels depend on it.

    years, months: seasons of those months in each year; or else
    start, end: one season, ISO dates, both ends in; its year is the end's.
    size: side of a patch in pixels of 10 m.
    grid: "utm" for each site's own UTM zone, or a CRS in metres such as EPSG:3978.
    composites: monthly medians of clear pixels; else every acquisition.
    bands: in the order of the pixels.
    max_cloud: per cent; scenes that say they are cloudier are not fetched.
    mask: classes of the scene classification that hide the ground.
    min_clear: share 0..1 of a patch that must be clear for an image to count.
    min_stack: share 0..1 of a pixel's observations in a month that must be clear for its composite to have a value.
    resampling: how 20 m and 60 m bands, and scenes on another grid, come to the patch's grid: nearest or bilinear.
    drop_broken: a scene that cannot be read is left out of a sample; else the sample waits for the next call.
    """

    collection: str
    years: tuple[int, ...] = ()
    months: tuple[int, ...] = (6, 7, 8, 9, 10)
    start: str = ""
    end: str = ""
    size: int = 64
    grid: str = "utm"
    composites: bool = True
    bands: tuple[str, ...] = L2A_BANDS
    max_cloud: float = 80.0
    mask: tuple[int, ...] = MASKED_SCL
    min_clear: float = 0.05
    min_stack: float = 0.0
    resampling: str = "nearest"
    drop_broken: bool = False

    def check(self) -> "Settings":
        """The settings themselves.

        Raises:
            BadInput: a value makes no sense.
        """
        check_name(self.collection)
        unknown = [band for band in self.bands if band not in L2A_BANDS]
        if unknown or not self.bands:
            raise BadInput(f"There is no band {', '.join(unknown) or '(none given)'} in Sentinel-2 L2A. It has {', '.join(L2A_BANDS)}.")
        if not 1 <= self.size <= 1024:
            raise BadInput(f"A patch of {self.size} pixels cannot be made. Give 1 to 1024; the published data sets have 64.")
        if bool(self.years) == bool(self.start):
            raise BadInput("Give either years (and months), or a date range from ... to.")
        for day in filter(None, (self.start, self.end)):
            try:
                date.fromisoformat(day)
            except ValueError:
                raise BadInput(f"{day!r} is no date. Write it as 2019-06-30.") from None
        if self.start and self.end < self.start:
            raise BadInput(f"The date range ends ({self.end}) before it starts ({self.start}). Swap the two.")
        if not self.months or any(month not in range(1, 13) for month in self.months):
            raise BadInput(f"Months are 1 to 12, not {', '.join(map(str, self.months)) or 'none'}.")
        if not all(1 <= year <= 9998 for year in self.years):
            raise BadInput(f"{', '.join(map(str, self.years))} are no years. Write them as 2019,2020.")
        if self.resampling not in RESAMPLING:
            raise BadInput(f"There is no resampling {self.resampling!r}. Choose nearest or bilinear.")
        return self

    @property
    def seasons(self) -> list[Season]:
        """By year."""
        if self.start:
            start, end = date.fromisoformat(self.start), date.fromisoformat(self.end)
            return [Season(end.year, start, end)]
        last = max(self.months)
        return [
            Season(year, date(year, min(self.months), 1), date(year, last, calendar.monthrange(year, last)[1]))
            for year in sorted(set(self.years))
        ]

    def wants(self, day: date) -> bool:
        """Whether a day's scenes are taken: months may leave gaps in a season."""
        return bool(self.start) or day.month in self.months

    @property
    def month_names(self) -> list[str]:
        """The slots of composites: YYYY-MM of one season, MM where there are several years."""
        if not self.start and len(set(self.years)) > 1:
            return [f"{month:02d}" for month in sorted(set(self.months))]
        season = self.seasons[0]
        first, last = season.start.year * 12 + season.start.month - 1, season.end.year * 12 + season.end.month - 1
        names = [(at // 12, at % 12 + 1) for at in range(first, last + 1)]
        return [f"{year}-{month:02d}" for year, month in names if self.start or month in self.months]

    def as_json(self) -> dict:
        """JSON-ready, lists for tuples: equal for equal settings."""
        return json.loads(json.dumps(asdict(self)))


def from_json(content: dict) -> Settings:
    """The settings that `as_json` gave."""
    return Settings(**{key: tuple(value) if isinstance(value, list) else value for key, value in content.items()})
