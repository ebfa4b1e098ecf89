"""Figures that many curators ask for all the time: worked out anew as often as they are cheap.

A figure may be as old as SHARE times the time that it took, so working it out takes a bounded part of a processor however many ask:
one of a small collection is always fresh, one that takes 50 ms is a second old at most.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any

SHARE = 20
CHEAP_SECONDS = 0.005  # what takes less is never kept

_kept: dict[Hashable, tuple[float, Any]] = {}  # key -> when it is too old, and the figure
_lock = threading.Lock()


def figure(key: Hashable, work: Callable[[], Any]) -> Any:
    """What `work` gives, now or a short while ago."""
    with _lock:
        until, value = _kept.get(key, (0.0, None))
    if time.monotonic() < until:
        return value
    began = time.monotonic()
    value = work()
    took = time.monotonic() - began
    with _lock:
        _kept[key] = (began + took + SHARE * took if took > CHEAP_SECONDS else 0.0, value)
    return value
