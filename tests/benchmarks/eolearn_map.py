"""The map as an eo-learn workflow: patches of 512 pixels, imported date by date, predicted by a task with the same trained network.

    python -m tests.benchmarks.eolearn_map CHECKPOINT OUT DATE=FILE ... [--batch 1024]

Runs in an environment of its own (eo-learn needs an older geopandas), which also has torch, rasterio and this checkout. It writes a crop
and a probability GeoTIFF a patch, as eo-learn's examples do; they are not joined. See `tests.benchmarks.mapping_speed`.
"""

from datetime import datetime
from pathlib import Path

import click
import numpy as np
import rasterio
import torch
from eolearn.core import EONode, EOPatch, EOTask, EOWorkflow, FeatureType
from eolearn.io import ExportToTiffTask, ImportFromTiffTask
from rasterio.windows import Window, bounds
from sentinelhub import CRS, BBox

from modeling import checkpoint
from tests.benchmarks.plain_map import predicted

BLOCK = 512
SEASON = (FeatureType.DATA, "season")
CROP, PROBABILITY = (FeatureType.DATA_TIMELESS, "crop"), (FeatureType.DATA_TIMELESS, "probability")


class Predict(EOTask):
    """The season of a patch -> crop and probability."""

    def __init__(self, model: torch.nn.Module, days: torch.Tensor, batch: int):
        self.model, self.days, self.batch = model, days, batch

    def execute(self, eopatch: EOPatch) -> EOPatch:
        with torch.inference_mode():
            code, share = predicted(self.model, eopatch[SEASON].transpose(0, 3, 1, 2), self.days, self.batch)
        eopatch[CROP], eopatch[PROBABILITY] = code[..., None], share[..., None]
        return eopatch


class Start(EOTask):
    """An empty patch of a box and the dates."""

    def __init__(self, dates: list[datetime]):
        self.dates = dates

    def execute(self, *, bbox: BBox) -> EOPatch:
        return EOPatch(bbox=bbox, timestamps=self.dates)


class Stack(EOTask):
    """The bands of every date, which were imported as features without time -> one feature with it."""

    def __init__(self, names: list[str]):
        self.names = names

    def execute(self, eopatch: EOPatch) -> EOPatch:
        eopatch[SEASON] = np.stack([eopatch[FeatureType.DATA_TIMELESS, name] for name in self.names])
        return eopatch


def workflow(model: torch.nn.Module, layers: list[tuple[str, str]], out: Path, batch: int) -> tuple[EOWorkflow, EONode, list[EONode]]:
    """The tasks in their order; the node that takes the box, and those that take the file name."""
    dates = [datetime.fromisoformat(day) for day, _ in layers]
    days = torch.tensor([day.timetuple().tm_yday for day in dates], dtype=torch.float32)
    first = last = EONode(Start(dates))
    for day, path in layers:
        last = EONode(ImportFromTiffTask((FeatureType.DATA_TIMELESS, day), path), inputs=[last])
    last = EONode(Stack([day for day, _ in layers]), inputs=[last])
    last = EONode(Predict(model, days, batch), inputs=[last])
    exports = []
    for feature, kind, nothing in ((CROP, np.uint8, 0), (PROBABILITY, np.float32, np.nan)):
        (out / feature[1]).mkdir(parents=True)
        task = ExportToTiffTask(feature, str(out / feature[1]), image_dtype=kind, no_data_value=nothing, compress="DEFLATE")
        last = EONode(task, inputs=[last])
        exports.append(last)
    return EOWorkflow.from_endnodes(last), first, exports


@click.command()
@click.argument("checkpoint_file", type=Path)
@click.argument("out", type=Path)
@click.argument("layers", nargs=-1, required=True)
@click.option("--batch", default=1024)
def main(checkpoint_file: Path, out: Path, layers: tuple[str, ...], batch: int) -> None:
    """Map the DATE=FILE layers with the first network of a checkpoint, one thread."""
    torch.set_num_threads(1)
    stored = checkpoint.load(checkpoint_file)
    model = checkpoint.classifier(stored, next(iter(stored["parts"]))).eval()
    pairs = [tuple(layer.split("=", 1)) for layer in layers]
    with rasterio.open(pairs[0][1]) as raster:
        grid, height, width, crs = raster.transform, raster.height, raster.width, CRS(raster.crs.to_epsg())
    work, first, exports = workflow(model, pairs, out, batch)
    for top in range(0, height, BLOCK):
        for left in range(0, width, BLOCK):
            window = Window(left, top, min(BLOCK, width - left), min(BLOCK, height - top))
            box = BBox(bounds(window, grid), crs)
            work.execute({first: {"bbox": box}} | {node: {"filename": f"{top}-{left}.tiff"} for node in exports})


if __name__ == "__main__":
    main()
