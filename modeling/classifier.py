"""From stored reflectance to class scores: feature channels, standardisation, augmentation and the network, as one module.

Its state holds the normalisation, so a checkpoint needs nothing beside it. Tensors only; no files.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from data.bands import NO_DATA, REFLECTANCE_SCALE
from modeling import inputs, registry
from modeling.config import TrainConfig

INDEX_LIMIT = 2.0  # a dark pixel's noise divided by nearly nothing says nothing: values beyond are cut
DRAWN_PIXELS = 32  # of a pixel set, in every batch that is learned from; all of them in prediction
YEAR_DAYS = 365.25


class Features(nn.Module):
    """Reflectance -> standardised channels, as `inputs` names them.

    mean, sd: (C,) of the training part. known: (C,) share of its values that are known.
    """

    mean: Tensor
    sd: Tensor
    known: Tensor

    def __init__(self, bands: tuple[str, ...], named: str, kind: str):
        super().__init__()
        self.axis = 1 if kind == registry.IMAGE else 2
        self.channels = inputs.channels(named, bands)
        self.at = {band: position for position, band in enumerate(bands)}
        self.register_buffer("mean", torch.zeros(len(self.channels)))
        self.register_buffer("sd", torch.ones(len(self.channels)))
        self.register_buffer("known", torch.ones(len(self.channels)))

    def fit(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Take mean, standard deviation and known share of every channel from the training part, given as (values, present) batches."""
        count, total, square, size = (torch.zeros(len(self.channels), dtype=torch.float64) for _ in range(4))
        for values, present in batches:
            one_image = self.axis == 1 and values.dim() == 4
            stacked = self._stacked(values[present[:, 0]] if one_image else values[present] if self.axis == 1 else values)
            flat = (stacked if self.axis == 1 else stacked[present]).movedim(1, -1).flatten(0, -2).double()  # (values, C)
            known = torch.isfinite(flat)
            flat = torch.where(known, flat, 0)
            count += known.sum(0).cpu()
            total += flat.sum(0).cpu()
            square += flat.square().sum(0).cpu()
            size += len(flat)
        mean = total / count.clamp(min=1)
        spread = (square / count.clamp(min=1) - mean.square()).clamp(min=0).sqrt()
        self.mean.copy_(mean)
        self.sd.copy_(torch.where(spread > 1e-6, spread, 1.0))
        self.known.copy_(count / size.clamp(min=1))

    def forward(self, values: Tensor) -> Tensor:
        """Values as in `Pixels`, bands along axis 1 (one image) or 2 -> the same shape with channels, 0 where unknown."""
        stacked = self._stacked(values)
        shape = [-1 if axis == self.axis else 1 for axis in range(stacked.dim())]
        return ((stacked - self.mean.view(shape)) / self.sd.view(shape)).nan_to_num(0.0, 0.0, 0.0)

    def _stacked(self, values: Tensor) -> Tensor:
        of_band = decoded(values).unbind(self.axis)
        return torch.stack([self._channel(channel, of_band) for channel in self.channels], dim=self.axis)

    def _channel(self, channel: inputs.Channel, of_band: tuple[Tensor, ...]) -> Tensor:
        taken = [of_band[self.at[band]] for band in channel.bands]
        return taken[0] if channel.formula is None else channel.formula(*taken).clamp(-INDEX_LIMIT, INDEX_LIMIT)


def decoded(values: Tensor) -> Tensor:
    """Reflectance 0..1 with NaN = no data, from float reflectance (unchanged) or from uint16 numbers held as int16."""
    if values.dtype != torch.int16:
        return values
    numbers = values.int() & 0xFFFF  # torch indexes few operations for uint16: the same bits travel as int16
    return torch.where(numbers == NO_DATA, torch.nan, numbers / REFLECTANCE_SCALE)


class Classifier(nn.Module):
    """Features and network. In training mode it augments: each draw comes from torch's own random state."""

    def __init__(self, config: TrainConfig, bands: tuple[str, ...], classes: int):
        super().__init__()
        model = registry.named(config.model)
        self.kind, self.config = model.kind, config
        self.features = Features(bands, config.inputs, model.kind)
        self.adds_days = config.day_of_year and not model.encodes_days
        self.net = model.build(len(self.features.channels) + 2 * self.adds_days, classes)

    def forward(self, values: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """values as in `Pixels`, (B, T) bool, (B, T) day of year -> (B, classes) logits."""
        if self._is_of_each(values):
            return self._each(values, present, days)
        return self._scored(values, present, days)

    @property
    def last(self) -> nn.Linear:
        """The layer that makes the logits."""
        return [layer for layer in self.net.modules() if isinstance(layer, nn.Linear)][-1]

    def embedding(self, values: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, D) what the last layer is given: its logits are `last(embedding)`. Arguments as of `forward`.

        Where every image is an example of its own, the mean over the images that are there; 0 without any.
        """
        given: list[Tensor] = []
        with self.last.register_forward_pre_hook(lambda layer, inputs: given.append(inputs[0])):
            self(values, present, days)
        (vectors,) = given
        if not self._is_of_each(values):
            return vectors
        each = vectors.view(*present.shape, -1) * present.unsqueeze(-1)  # (B, T, D)
        return each.sum(dim=1) / present.sum(dim=1, keepdim=True).clamp(min=1)

    def _is_of_each(self, values: Tensor) -> bool:
        """Whether the batch holds every image of its samples, each an example of its own."""
        return self.kind == registry.IMAGE and values.dim() == 5

    def _each(self, values: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """Every image an example of its own: one drawn at random to learn from; in prediction the mean of all probabilities."""
        if self.training:
            slots = (torch.rand(present.shape, device=present.device) * present).argmax(dim=1)
            rows = torch.arange(len(slots), device=slots.device)
            return self._scored(values[rows, slots], present[rows, slots, None], days[rows, slots, None])
        size, dates = present.shape
        logits = self._scored(values.flatten(0, 1), present.reshape(-1, 1), days.reshape(-1, 1))
        shares = logits.float().softmax(dim=1).view(size, dates, -1) * present.unsqueeze(-1)
        return (shares.sum(dim=1) / present.sum(dim=1, keepdim=True).clamp(min=1)).clamp(min=1e-12).log()

    def _scored(self, values: Tensor, present: Tensor, days: Tensor) -> Tensor:
        if self.training and values.shape[-1] > DRAWN_PIXELS and self.kind == registry.PIXELS:
            values = values[..., torch.randperm(values.shape[-1], device=values.device)[:DRAWN_PIXELS]]
        x = self.features(values)
        if self.training:
            x, present, days = self._augmented(x, present, days)
        days = days if self.config.day_of_year else torch.zeros_like(days)
        if self.adds_days:
            x = torch.cat([x, self._day_channels(x, days)], dim=self.features.axis)
        return self.net(x, present, days)

    def _augmented(self, x: Tensor, present: Tensor, days: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.config.noise:
            x = x + self.config.noise * torch.randn_like(x)
        if self.config.turns and self.kind in (registry.IMAGE, registry.SEQUENCE):
            x = _turned(x)
        if self.config.date_drop and self.kind != registry.IMAGE:
            present = _dropped(present, self.config.date_drop)
        if self.config.date_shift:
            moved = days + self.config.date_shift * torch.randn(len(days), 1, device=days.device)
            days = torch.where(days > 0, moved.clamp(1, YEAR_DAYS), days)
        return x, present, days

    def _day_channels(self, x: Tensor, days: Tensor) -> Tensor:
        """Cosine and sine of the day of year in the shape of `x`, with two channels; 0 where there is no image."""
        angle = 2 * math.pi * days / YEAR_DAYS
        pair = torch.stack([angle.cos(), angle.sin()], dim=-1) * (days > 0).unsqueeze(-1)  # (B, T, 2)
        pair = pair[:, 0] if self.kind == registry.IMAGE else pair
        space = x.shape[self.features.axis + 1 :]
        return pair.view(*pair.shape, *(1 for _ in space)).expand(*pair.shape, *space)


def _dropped(present: Tensor, share: float) -> Tensor:
    """(B, T) with a share of the dates hidden; a sample that would lose all keeps them."""
    kept = present & (torch.rand(present.shape, device=present.device) >= share)
    return torch.where(kept.any(dim=1, keepdim=True), kept, present)


def _turned(x: Tensor) -> Tensor:
    """(..., H, W), mirrored and, where square, turned at random: a field has no upper side."""
    first, second, third = (torch.rand(3) < 0.5).tolist()
    axes = [axis for axis, chosen in ((-2, first), (-1, second)) if chosen]
    x = x.flip(axes) if axes else x
    return x.transpose(-2, -1) if third and x.shape[-2] == x.shape[-1] else x
