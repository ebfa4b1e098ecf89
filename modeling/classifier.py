"""From stored reflectance to class scores: feature channels, standardisation, augmentation and the network, as one module.

Its state holds the normalisation, so a checkpoint needs nothing beside it. Tensors only; no files.
"""

import torch
from torch import Tensor, nn

from data.bands import NO_DATA, REFLECTANCE_SCALE
from modeling import registry
from modeling.config import TrainConfig

# Normalised differences that tell crops apart beyond the bands themselves, as (a - b) / (a + b).
DIFFERENCES = {
    "NDVI": ("B08", "B04"),  # Rouse et al. 1974
    "NDMI": ("B08", "B11"),  # canopy water; Gao 1996
    "NDTI": ("B11", "B12"),  # residue and tillage; van Deventer et al. 1997
    "NDRE8A": ("B8A", "B05"),  # red edge, after Barnes et al. 2000
    "MNDWI": ("B03", "B11"),  # wet soil; Xu 2006
}
SENESCENCE = ("B04", "B02", "B06")  # PSRI = (B04 - B02) / B06; Merzlyak et al. 1999
INDEX_LIMIT = 2.0  # a dark pixel's noise divided by nearly nothing says nothing: values beyond are cut


class Features(nn.Module):
    """Reflectance -> standardised channels: the bands, six indices of them, or both (those whose bands exist)."""

    mean: Tensor
    sd: Tensor

    def __init__(self, bands: tuple[str, ...], inputs: str, kind: str):
        super().__init__()
        self.inputs, self.axis = inputs, 1 if kind == "image" else -1
        at = {band: position for position, band in enumerate(bands)}
        self.pairs = [(at[a], at[b]) for a, b in DIFFERENCES.values() if a in at and b in at]
        self.senescence = [at[band] for band in SENESCENCE] if set(SENESCENCE) <= set(bands) else None
        indices = len(self.pairs) + (self.senescence is not None)
        self.count = {"bands": len(bands), "indices": indices, "bands+indices": len(bands) + indices}[inputs]
        self.register_buffer("mean", torch.zeros(self.count))
        self.register_buffer("sd", torch.ones(self.count))

    def fit(self, values: Tensor, present: Tensor) -> None:
        """Take mean and standard deviation of every channel from the training part's `values` where `present`."""
        channels = self._channels(values)
        flat = channels.movedim(1, -1).flatten(0, -2) if self.axis == 1 else channels[present]  # (B H W, C) or (dates, C)
        known = torch.isfinite(flat)
        count = known.sum(dim=0).clamp(min=1)
        self.mean = torch.where(known, flat, 0).sum(dim=0) / count
        spread = (torch.where(known, flat - self.mean, 0).square().sum(dim=0) / count).sqrt()
        self.sd = torch.where(spread > 1e-6, spread, torch.ones_like(spread))

    def forward(self, values: Tensor) -> Tensor:
        """(B, T, bands) or (B, bands, H, W) -> (B, T, C) or (B, C, H, W), 0 where unknown."""
        shape = (1, -1, 1, 1) if self.axis == 1 else (-1,)
        return ((self._channels(values) - self.mean.view(shape)) / self.sd.view(shape)).nan_to_num(0.0, 0.0, 0.0)

    def _channels(self, values: Tensor) -> Tensor:
        bands = decoded(values)
        parts = [] if self.inputs == "indices" else [bands]
        if self.inputs != "bands":
            parts += [self._indices(bands)]
        return torch.cat(parts, dim=self.axis)

    def _indices(self, bands: Tensor) -> Tensor:
        columns = bands.unbind(self.axis)
        values = [(columns[a] - columns[b]) / (columns[a] + columns[b]) for a, b in self.pairs]
        if self.senescence:
            red, blue, edge = (columns[position] for position in self.senescence)
            values.append((red - blue) / edge)
        return torch.stack(values, dim=self.axis).clamp(-INDEX_LIMIT, INDEX_LIMIT)


def decoded(values: Tensor) -> Tensor:
    """Reflectance 0..1 with NaN = no data, from float reflectance (unchanged) or from uint16 numbers held as int16."""
    if values.dtype != torch.int16:
        return values
    numbers = values.int() & 0xFFFF  # torch indexes few operations for uint16: the same bits travel as int16
    return torch.where(numbers == NO_DATA, torch.nan, numbers / REFLECTANCE_SCALE)


class Classifier(nn.Module):
    """Features and network. In training mode it hides dates, adds noise and turns images, each from torch's own random state."""

    def __init__(self, config: TrainConfig, bands: tuple[str, ...], classes: int):
        super().__init__()
        model = registry.named(config.model)
        self.features = Features(bands, config.inputs, model.kind)
        self.net = model.build(self.features.count, classes)
        self.kind, self.date_drop, self.noise = model.kind, config.date_drop, config.noise

    def forward(self, values: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """values as in `Pixels`, (B, T) bool, (B, T) day of year -> (B, classes) logits."""
        x = self.features(values)
        if self.training:
            x = x + self.noise * torch.randn_like(x)
            if self.kind == "image":
                x = _turned(x)
            else:
                present = _dropped(present, self.date_drop)
        return self.net(x, present, days)


def _dropped(present: Tensor, share: float) -> Tensor:
    """(B, T) with a share of the dates hidden; a sample that would lose all keeps them."""
    kept = present & (torch.rand(present.shape, device=present.device) >= share)
    return torch.where(kept.any(dim=1, keepdim=True), kept, present)


def _turned(x: Tensor) -> Tensor:
    """(B, C, H, W), mirrored at random: a field has no upper side."""
    flips = torch.rand(2)
    axes = [axis for axis, chance in zip((-2, -1), flips.tolist(), strict=True) if chance < 0.5]
    return x.flip(axes) if axes else x
