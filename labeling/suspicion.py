"""How likely an image is bad, worked out from its pixels once and kept in `image_look`. NumPy, a part of a shard at a time.

An image is doubted for clouds (its share of pixels that are not clear), for missing pixels, and for a mean spectrum unlike that of
the collection's other images of the same date. Its suspicion is the strongest of these three doubts, each on a scale from 0 to 1 on
which 0.5 is where one would look: half of the pixels cloudy, half of them missing, or an outlier score of 3.5.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from data import catalogue, seasons, shards
from data.bands import NO_DATA, REFLECTANCE_SCALE, TRUE_COLOUR
from data.catalogue import Collection
from data.errors import BadInput, PixelsUnreadable
from data.store import Store
from data.workspace import Workspace

AT_ONCE = 256  # images: 25 MB of pixels of 12 bands and 64 x 64 px
ROWS_AT_ONCE = 2_000  # of the table in one transaction: nobody else's decision waits longer than that takes
OUTLYING = 3.5  # modified z-scores above this are outliers (Iglewicz and Hoaglin 1993)
NORMAL = 0.6745  # the 75 % quantile of the normal distribution, which makes a MAD comparable to a standard deviation
LEAST_MAD = 0.002  # reflectance: spectra closer than the sensor can tell are alike
LEAST_GROUP = 8  # images of one date; smaller groups are held against the whole collection

UNSEEN = """
select i.id, i.slot, s.shard, s.shard_row, s.height, s.width from image i join sample s on s.id = i.sample
where s.collection = ? and not exists (select 1 from image_look l where l.image = i.id) order by s.shard, s.shard_row, i.slot
"""
ADD = """
insert or ignore into image_look (image, sample, collection, clear, brightness, missing, spectrum, suspicion, looked, quality)
select q.image, q.sample, ?, q.clear, ?, ?, ?, max(1 - q.clear, ?), exists (
    select 1 from event e where e.sample = q.sample and e.image = q.image
        and not exists (select 1 from event u where u.undo_of = e.id)), q.quality
from image_quality q where q.image = ?
"""
SPECTRA = """
select l.image, l.clear, l.missing, l.spectrum, i.slot, i.day, cast(substr(i.acquired, 1, 4) as integer) as year
from image_look l join image i on i.id = l.image where l.collection = ? order by l.image
"""


@dataclass(frozen=True)
class State:
    """How much of a collection is worked out: images in all, those with figures, and whether all have their outlier scores."""

    images: int
    known: int
    ready: bool


def require_pictures(collection: Collection) -> None:
    """Raises BadInput for a collection of field means, which has nothing to look at."""
    if collection.is_series:
        raise BadInput(
            f"{collection.name} holds one mean value a field, date and band, no pictures. Screen its dates in Verify (Q and B), "
            "or choose a collection of patches."
        )


def state(store: Store, collection: str) -> State:
    """How far `prepare` has come."""
    with store.reading() as db:
        images = db.execute(
            "select count(*) from sample s join image i on i.sample = s.id where s.collection = ?", [collection]
        ).fetchone()[0]
        known = db.execute("select count(*) from image_look where collection = ?", [collection]).fetchone()[0]
        open_ = db.execute("select exists (select 1 from image_look where collection = ? and outlier < 0)", [collection]).fetchone()[0]
    return State(images, known, images > 0 and known == images and not open_)


def prepare(workspace: Workspace, name: str, progress: Callable[[int, int, str], None] = lambda done, total, what: None) -> State:
    """Work out what is missing of a collection's figures, a part at a time: what was worked out stays when it is stopped.

    Args:
        progress: told images done, images in all and what is being done.

    Raises:
        UnknownCollection: there is no such collection.
        BadInput: it has no pictures.
        PixelsUnreadable: a shard is missing, damaged or of another shape than the catalogue says.
    """
    collection = catalogue.collection(workspace.store, name)
    require_pictures(collection)
    before = state(workspace.store, name)
    if before.ready:
        return before
    done = before.known
    for part in _unseen(workspace.store, name):
        _add(workspace.store, collection, part, *_figures(workspace, collection, part))
        done += len(part)
        progress(done, before.images, "Reading pixels")
    _score(workspace.store, collection, lambda scored, total: progress(scored, total, "Comparing spectra"))
    return state(workspace.store, name)


def _unseen(store: Store, collection: str) -> Iterator[list]:
    """Images without figures, at most AT_ONCE of one shard at a time."""
    with store.reading() as db:
        rows = db.execute(UNSEEN, [collection]).fetchall()
    start = 0
    while start < len(rows):
        part = [row for row in rows[start : start + AT_ONCE] if row["shard"] == rows[start]["shard"]]
        yield part
        start += len(part)


def _figures(workspace: Workspace, collection: Collection, part: list) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Brightness (n,), missing share (n,) and mean spectrum (n, B) of images of one shard."""
    path = shards.path_of(workspace.shards(collection.name), part[0]["shard"])
    array = shards.open_map(path)
    expected = (collection.slots, len(collection.bands), collection.height, collection.width)
    rows, slots = np.array([row["shard_row"] for row in part]), np.array([row["slot"] for row in part])
    if array.shape[1:] != expected or rows.max() >= len(array):
        raise PixelsUnreadable(
            f"{path} holds an array of shape {array.shape}; the catalogue expects at least {rows.max() + 1} samples of {expected}. "
            "Restore the file from a backup, or import the collection again into a new workspace."
        )
    sizes = np.array([row["height"] * row["width"] for row in part])
    return figures(array[rows, slots], sizes, collection.bands)


def figures(pixels: np.ndarray, sizes: np.ndarray, bands: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What images look like.

    Args:
        pixels: (n, B, H, W) uint16 reflectance x 10 000, 0 = no data or outside of a patch that is smaller than H x W.
        sizes: (n,) true numbers of pixels of the patches.

    Returns:
        (n,) mean reflectance of the visible bands (of all bands where there is none), 0 where no pixel has data;
        (n,) share 0..1 of the pixels that lack data in any band;
        (n, B) float32 mean reflectance of a band's pixels with data, NaN = none.
    """
    whole = np.count_nonzero(pixels.min(axis=1) != NO_DATA, axis=(1, 2))
    counts = np.count_nonzero(pixels, axis=(2, 3))
    sums = pixels.sum(axis=(2, 3), dtype=np.uint64)
    spectra = np.where(counts > 0, sums / np.maximum(counts, 1) / REFLECTANCE_SCALE, np.nan).astype(np.float32)
    visible = [place for place, band in enumerate(bands) if band in TRUE_COLOUR] or list(range(len(bands)))
    seen = spectra[:, visible]
    brightness = np.nansum(seen, axis=1) / np.maximum(1, np.isfinite(seen).sum(axis=1))
    return brightness, 1 - whole / sizes, spectra


def _add(store: Store, collection: Collection, part: list, brightness: np.ndarray, missing: np.ndarray, spectra: np.ndarray) -> None:
    with store.writing() as db:
        db.conn.executemany(
            ADD,
            (
                [collection.name, round(float(light), 5), round(float(gap), 5), spectrum.tobytes(), round(float(gap), 5), row["id"]]
                for row, light, gap, spectrum in zip(part, brightness, missing, spectra, strict=True)
            ),
        )


def _score(store: Store, collection: Collection, progress: Callable[[int, int], None]) -> None:
    """Outlier scores and suspicion of all images: a new image changes what is usual for its date."""
    with store.reading() as db:
        rows = db.execute(SPECTRA, [collection.name]).fetchall()
    if not rows:
        return
    spectra = np.frombuffer(b"".join(row["spectrum"] for row in rows), dtype=np.float32).reshape(len(rows), -1)
    slots, days, years, images = (np.array([row[key] for row in rows]) for key in ("slot", "day", "year", "image"))
    outlier = outliers(spectra, seasons.bins_of(collection, slots, days, years))
    clear, missing = (np.array([row[key] for row in rows]) for key in ("clear", "missing"))
    doubt = suspicion(clear, missing, outlier)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        changed = zip(outlier[part].round(4).tolist(), doubt[part].round(5).tolist(), images[part].tolist(), strict=True)
        with store.writing() as db:
            db.conn.executemany("update image_look set outlier = ?, suspicion = ? where image = ?", changed)
        progress(min(start + ROWS_AT_ONCE, len(rows)), len(rows))


def outliers(spectra: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """How unlike the others of its group an image's mean spectrum is: its largest modified z-score over the bands.

    The modified z-score is 0.6745 |x - median| / MAD, MAD the median absolute deviation from the median (B. Iglewicz and D. C. Hoaglin
    1993, How to Detect and Handle Outliers, ASQC Quality Press); values above 3.5 are outliers there. It stands as long as fewer
    than half of a group are odd. A group of fewer than LEAST_GROUP images is held against the median and MAD of all.

    Args:
        spectra: (n, B) mean reflectance, NaN = no data.
        groups: (n,) integers, the images' dates as `data.seasons.bins_of` gives them.

    Returns:
        (n,) float64 from 0; 0 where an image has no data at all.
    """
    scores = np.zeros(len(spectra))
    for group in np.unique(groups):
        members = groups == group
        usual = spectra[members] if members.sum() >= LEAST_GROUP else spectra
        scores[members] = _distances(spectra[members].astype(np.float64), usual.astype(np.float64))
    return scores


def _distances(spectra: np.ndarray, usual: np.ndarray) -> np.ndarray:
    seen = usual[:, np.isfinite(usual).any(axis=0)]
    if not seen.shape[1]:
        return np.zeros(len(spectra))
    middle = np.nanmedian(seen, axis=0)
    mad = np.nanmedian(np.abs(seen - middle), axis=0)
    compared = spectra[:, np.isfinite(usual).any(axis=0)]
    return np.nan_to_num(NORMAL * np.abs(compared - middle) / np.maximum(mad, LEAST_MAD)).max(axis=1)


def suspicion(clear: np.ndarray, missing: np.ndarray, outlier: np.ndarray) -> np.ndarray:
    """0..1, the strongest of three doubts: 1 - clear, missing, and outlier / (outlier + 3.5)."""
    return np.maximum.reduce([1 - clear, missing, outlier / (outlier + OUTLYING)])
