"""Which samples teach and which judge: parts by site or by spatial block, stored once in the database and reused.

A site's samples (its years) always share a part. A split covers the whole collection and does not depend on decisions, so
runs on other labels are judged on the same places.
"""

import json
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from sqlite_utils import Database

from data.errors import CannotTrain
from data.store import Store
from modeling.config import TrainConfig
from modeling.samples import Samples

PARTS = {0: "test", 1: "validation"}  # of five equal shares, the others teach: 60/20/20
SHARES = 5


@dataclass(frozen=True)
class Split:
    """A stored split. parts: (N,) str, each sample's part, in the order of `Samples`: train, validation, test or fold-<k>."""

    id: int
    name: str
    parts: np.ndarray


def name_of(config: TrainConfig) -> str:
    """The split that `config` asks for, e.g. random-60-20-20-seed0 or block-750m-5fold-seed0."""
    shares = f"{config.folds}fold" if config.folds else "60-20-20"
    block = f"-{_metres(config.block_side_m)}" if config.split == "block" else ""
    return f"{config.split}{block}-{shares}-seed{config.seed}"


def stored(store: Store, config: TrainConfig, samples: Samples) -> Split:
    """The split that `config` asks for: read from the database, or made and stored there.

    Samples that came into the collection after the split was made join the part of their site or block; those of a new one
    are shared out like the others.

    Raises:
        CannotTrain: too few sites or blocks for that many parts.
    """
    name = name_of(config)
    with store.writing() as db:
        known = db.execute("select id, params from split where collection = ? and name = ?", [samples.collection, name]).fetchone()
        params = json.loads(known["params"]) if known else _params(config, samples)
        groups = _groups(config, samples, params)
        member = dict(map(tuple, db.execute("select sample, part from split_member where split = ?", [known["id"]]))) if known else {}
        parts = _completed(config, samples, groups, member)
        number = known["id"] if known else _add(db, config, samples.collection, name, params)
        db.conn.executemany(
            "insert or ignore into split_member (split, sample, part) values (?, ?, ?)",
            [(number, int(sample), str(part)) for sample, part in zip(samples.ids, parts, strict=True)],
        )
    return Split(number, name, parts)


def deal(strata: np.ndarray, groups: np.ndarray, shares: int, seed: int) -> np.ndarray:
    """Share groups out so that every share holds each stratum in equal number, as far as whole groups allow.

    Args:
        strata: (N,) int, the class of each sample.
        groups: (N,) any, samples of one group stay together.

    Returns:
        (N,) int64 share of each sample, 0 ... shares - 1.

    Raises:
        ValueError: fewer groups, or fewer samples in every stratum, than shares.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # late: over a second that pages need not pay

    if len(np.unique(groups)) < shares:
        raise ValueError(f"{len(np.unique(groups))} groups cannot fill {shares} shares")
    share = np.zeros(len(strata), dtype=np.int64)
    folds = StratifiedGroupKFold(shares, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # a rare class is in fewer shares, and that is all right
        for number, (_, members) in enumerate(folds.split(strata, strata, groups)):
            share[members] = number
    return share


def blocks(lon: np.ndarray, lat: np.ndarray, side_m: float, centre: tuple[float, float]) -> np.ndarray:
    """The square block of each place, on an equal-area grid around `centre`.

    Args:
        lon, lat: (N,) EPSG:4326.
        side_m: side of a block in metres.
        centre: (lon, lat) EPSG:4326 of the grid's origin; blocks meet there.

    Returns:
        (N, 2) int64 column and row of the block.
    """
    from pyproj import Transformer  # late: only block splits need it

    metric = f"+proj=laea +lon_0={centre[0]} +lat_0={centre[1]} +units=m"
    x, y = Transformer.from_crs("EPSG:4326", metric, always_xy=True).transform(lon, lat)
    return np.floor(np.stack([x, y], axis=1) / side_m).astype(np.int64)


def _metres(side: float) -> str:
    return f"{side / 1000:g}km" if side >= 1000 else f"{side:g}m"


def _params(config: TrainConfig, samples: Samples) -> dict:
    params = {"seed": config.seed}
    if config.split == "block":
        params |= {"side_m": config.block_side_m, "lon_0": round(samples.lon.mean(), 5), "lat_0": round(samples.lat.mean(), 5)}
    return params


def _groups(config: TrainConfig, samples: Samples, params: dict) -> np.ndarray:
    """(N,) the group of each sample: its site, or the block that its site lies in."""
    if config.split == "random":
        return samples.sites
    grid = blocks(samples.lon, samples.lat, params["side_m"], (params["lon_0"], params["lat_0"]))
    return np.unique(grid, axis=0, return_inverse=True)[1].ravel()


def _completed(config: TrainConfig, samples: Samples, groups: np.ndarray, member: dict[int, str]) -> np.ndarray:
    """(N,) part of each sample: the stored one, that of its group, or a new one."""
    if all(int(sample) in member for sample in samples.ids):
        return np.array([member[int(sample)] for sample in samples.ids])
    fresh = _fresh(config, samples, groups)
    settled = {group: member[int(sample)] for sample, group in zip(samples.ids, groups, strict=True) if int(sample) in member}
    return np.array([settled.get(group, part) for group, part in zip(groups, fresh, strict=True)])


def _fresh(config: TrainConfig, samples: Samples, groups: np.ndarray) -> list[str]:
    try:
        share = deal(samples.inventory, groups, config.folds or SHARES, config.seed)
    except ValueError as error:
        what = f"blocks of {_metres(config.block_side_m)}" if config.split == "block" else "sites"
        way = "smaller blocks, fewer folds or the random split" if config.split == "block" else "fewer folds or a larger collection"
        raise CannotTrain(
            f"The {len(samples)} samples of {samples.collection} lie in {len(np.unique(groups))} {what}: "
            f"too few for {config.folds or SHARES} shares. Choose {way}."
        ) from error
    return [f"fold-{number}" if config.folds else PARTS.get(number, "train") for number in share.tolist()]


def _add(db: Database, config: TrainConfig, collection: str, name: str, params: dict) -> int:
    row = [collection, name, config.split, config.folds, json.dumps(params), datetime.now(UTC).isoformat(timespec="seconds")]
    return db.execute("insert into split (collection, name, method, folds, params, created) values (?, ?, ?, ?, ?, ?)", row).lastrowid
