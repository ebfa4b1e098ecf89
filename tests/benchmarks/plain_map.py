"""The map as a competent user writes it in half an hour: a loop over blocks with rasterio, with the same trained network.

    python -m tests.benchmarks.plain_map CHECKPOINT OUT DATE=FILE ... [--batch 1024] [--threads 1]

What `tests.benchmarks.mapping_speed` measures the product against. It writes two tiled GeoTIFFs, the position of the most likely class
plus 1 and its probability; no overviews, no second choice, no margins, no probabilities of every class, and it cannot be resumed.
"""

from datetime import date
from pathlib import Path

import click
import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from modeling import checkpoint

BLOCK = 512


def predicted(model: torch.nn.Module, pixels: np.ndarray, days: torch.Tensor, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """(T, B, h, w) uint16 -> (h, w) uint8 class position + 1 and (h, w) float32 probability; 0 and NaN where there is no data."""
    height, width = pixels.shape[2:]
    series = np.ascontiguousarray(pixels.transpose(2, 3, 0, 1).reshape(height * width, *pixels.shape[:2]))
    present = torch.from_numpy(series.any(axis=2))
    values = torch.from_numpy(series.view(np.int16))
    best, shares = [], []
    for some, there in zip(values.split(batch), present.split(batch), strict=True):
        top = model(some, there, torch.where(there, days, 0.0)).softmax(dim=1).max(dim=1)
        best.append(top.indices)
        shares.append(top.values)
    nothing = ~present.any(dim=1)
    code = (torch.cat(best) + 1).to(torch.uint8).masked_fill(nothing, 0)
    share = torch.cat(shares).masked_fill(nothing, torch.nan)
    return code.view(height, width).numpy(), share.view(height, width).numpy()


@click.command()
@click.argument("checkpoint_file", type=Path)
@click.argument("out", type=Path)
@click.argument("layers", nargs=-1, required=True)
@click.option("--batch", default=1024)
@click.option("--threads", default=1)
def main(checkpoint_file: Path, out: Path, layers: tuple[str, ...], batch: int, threads: int) -> None:
    """Map the DATE=FILE layers with the first network of a checkpoint."""
    torch.set_num_threads(threads)
    stored = checkpoint.load(checkpoint_file)
    model = checkpoint.classifier(stored, next(iter(stored["parts"]))).eval()
    days = torch.tensor([date.fromisoformat(layer.split("=")[0]).timetuple().tm_yday for layer in layers], dtype=torch.float32)
    rasters = [rasterio.open(layer.split("=", 1)[1]) for layer in layers]
    first = rasters[0]
    profile = {"driver": "GTiff", "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", "count": 1}
    profile |= {"crs": first.crs, "transform": first.transform, "height": first.height, "width": first.width}
    out.mkdir(parents=True, exist_ok=True)
    with (
        torch.inference_mode(),
        rasterio.open(out / "crop.tif", "w", dtype="uint8", nodata=0, **profile) as crop,
        rasterio.open(out / "probability.tif", "w", dtype="float32", nodata=np.nan, **profile) as probability,
    ):
        for top in range(0, first.height, BLOCK):
            for left in range(0, first.width, BLOCK):
                window = Window(left, top, min(BLOCK, first.width - left), min(BLOCK, first.height - top))
                pixels = np.stack([raster.read(window=window) for raster in rasters])
                code, share = predicted(model, pixels, days, batch)
                crop.write(code, 1, window=window)
                probability.write(share, 1, window=window)


if __name__ == "__main__":
    main()
