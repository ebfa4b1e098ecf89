"""What the tests of whole maps share: runs trained for real on the demo, the command, and an oracle that calls the network itself.

The oracle reads the GeoTIFFs with rasterio alone and shows the checkpoint's network a pixel's season by hand: nothing of `data.stacks`,
`data.mapped` or `modeling.mapping` takes part in it.
"""

import calendar
from datetime import date
from pathlib import Path

import numpy as np
import rasterio
import torch
from click.testing import CliRunner, Result

from data import catalogue
from data.workspace import Workspace
from modeling import checkpoint, runs, working
from modeling.__main__ import main
from modeling.config import TrainConfig
from tests.conftest import ROOT

BELGIUM = ROOT / "tests" / "data" / "belgium_2021"
CUT = BELGIUM / "patch64"
FIELDS = ROOT / "data" / "demo" / "bavaria_fields_2018"
BAVARIA, CANADA = "bavaria-2018", "canada-simulated-2019"
INPUTS = "B02+B03+B04+B08+NDVI"  # that Belgium, Bavaria and simulated Canada all have


def trained(workspace: Workspace, collection: str, **chosen) -> str:
    """A run from start to end, as `python -m modeling train` makes it; its name."""
    settings = {"epochs": 1, "device": "cpu", "inputs": INPUTS, "shares": "60/0/40"} | chosen
    run = runs.create(workspace, TrainConfig.for_model(settings.pop("model", "ltae"), collection, **settings))
    working.work(workspace, run, None)
    return run.name


def command(workspace: Workspace, *arguments: object) -> Result:
    """`python -m modeling map` in this process. Anything but a `CropcheckError` comes out as it is."""
    result = CliRunner(env={"CROPCHECK_HOME": str(workspace.home)}).invoke(main, ["map", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def day_of(name: str) -> int:
    """2021-06, 2018-03-08 -> day of the year; a month stands for its 15th."""
    year, month, *day = (int(part) for part in name.split("-"))
    before = sum(calendar.monthrange(year, earlier)[1] for earlier in range(1, month))
    return before + (day[0] if day else 15)


def dates_of(folder: Path) -> dict[str, Path]:
    """Date -> file, in the order of time, of files called <anything>_<date>.tif or <date>.tif."""
    names = {path.stem.rpartition("_")[2]: path for path in folder.glob("*.tif")}
    return {name: names[name] for name in sorted(names, key=lambda name: date.fromisoformat(f"{name}-15"[:10]))}


def season(files: dict[str, Path], bands: list[str]) -> np.ndarray:
    """(T, bands, h, w) uint16 reflectance x 10 000, 0 = no data; a band that the files lack is without data."""
    dates = []
    for path in files.values():
        with rasterio.open(path) as raster:
            dates.append(arranged(raster.read(), raster, bands))
    return np.stack(dates)


def arranged(stored: np.ndarray, raster: rasterio.DatasetReader, bands: list[str]) -> np.ndarray:
    """(files' bands, ...) as stored -> (bands, ...), 0 = no data."""
    found = np.zeros((len(bands), *stored.shape[1:]), dtype=np.uint16)
    for values, name in zip(stored, raster.descriptions, strict=True):
        if name in bands:
            found[bands.index(name)] = np.where(values == raster.nodata, 0, np.maximum(values, 1) if raster.nodata else values)
    return found


class Oracle:
    """A run's networks, called on one pixel's season at a time."""

    def __init__(self, workspace: Workspace, run: str):
        self.stored = checkpoint.load(workspace.runs / run / "checkpoint.pt")
        self.bands, self.classes = self.stored["bands"], self.stored["classes"]
        self.networks = [checkpoint.classifier(self.stored, part).eval() for part in self.stored["parts"]]
        legend = catalogue.legend(workspace.store, TrainConfig.from_json(self.stored["config"]).collection)
        self.codes = [{entry.code for entry in legend if entry.learned == name} for name in self.classes]

    def probabilities(self, pixel: np.ndarray, days: list[int], used: list[str]) -> np.ndarray:
        """(T, all bands) uint16 of one pixel -> (K,). A date counts where one of the `used` bands has data."""
        present = pixel[:, [self.bands.index(band) for band in used]].any(axis=1)
        when = np.where(present, np.array(days, dtype=np.float32), np.float32(0))
        inputs = torch.from_numpy(pixel.view(np.int16))[None], torch.from_numpy(present)[None], torch.from_numpy(when)[None]
        with torch.inference_mode():
            return np.mean([network(*inputs).softmax(dim=1)[0].numpy() for network in self.networks], axis=0)
