"""One picture of a sample, for lists of samples: its greenest clear date in true colour. NumPy; the database says which date."""

from dataclasses import dataclass

import numpy as np

from data import catalogue, display, packed
from data.workspace import Workspace

# Without any clear date of known NDVI: the clearest one.
GREENEST = """
select q.slot, q.acquired from image_quality q left join index_stat i on i.image = q.image and i.name = 'NDVI'
where q.sample = ? order by q.quality = 'ok' desc, i.mean desc nulls last, q.clear desc, q.slot limit 1
"""


@dataclass(frozen=True)
class Picture:
    """pixels: (H, W, 4) uint8, transparent where there is no data. acquired: the date, or the month of a composite."""

    pixels: np.ndarray
    acquired: str


def greenest(workspace: Workspace, sample: int) -> Picture | None:
    """The sample on its greenest date that counts as clear; None of a series without a picture, or of no image at all.

    Raises:
        UnknownSample, PixelsUnreadable: see `data.catalogue.patch`.
    """
    packed.materialise(workspace, [sample])
    patch = catalogue.patch(workspace, sample)
    with workspace.store.reading() as db:
        row = db.execute(GREENEST, [sample]).fetchone()
    if row is None or patch.pixels.shape[-2:] == (1, 1):
        return None
    return Picture(display.rgba(patch.pixels[row["slot"]], patch.bands, "true", patch.level), row["acquired"])
