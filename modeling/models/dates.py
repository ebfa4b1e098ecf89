"""Encoding every date by itself, the absent ones not at all."""

from collections.abc import Callable

import torch
from torch import Tensor


def encoded(encoder: Callable[[Tensor], Tensor], x: Tensor, present: Tensor) -> Tensor:
    """Encode the present dates only: no work goes into absent ones, and what they hold reaches nothing, batch statistics included.

    Args:
        encoder: (n, ...) -> (n, D).
        x: (B, T, ...). present: (B, T) bool.

    Returns:
        (B, T, D), 0 at absent dates.
    """
    found = encoder(x[present])
    result = found.new_zeros(*present.shape, found.shape[-1])
    result[present] = found
    return result


def compacted(x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """The present dates moved to the front, in their order.

    Args:
        x: (B, T, ...). present: (B, T) bool.

    Returns:
        (B, T, ...) with the absent dates at the end, and (B,) int64 how many are present.
    """
    order = torch.argsort((~present).to(torch.uint8), dim=1, stable=True)  # (B, T)
    rows = torch.arange(len(x), device=x.device).unsqueeze(1)
    return x[rows, order], present.sum(dim=1)
