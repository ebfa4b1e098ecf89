"""How quick smoothing is: pixels a second, and times a plain loop over pixels and classes that follows the formula.

    python -m tests.benchmarks.smoothing_speed [--side 512] [--classes 10] [--rounds 3]

One thread. The rounds of both are taken in turns, and their medians compared. The loop is the oracle of tests/test_smoothing.py, on a
smaller tile, a pixel's time against a pixel's. Target: at least 100 times for bayes, so that smoothing costs less than predicting.
"""

import json
import statistics
import time
from collections.abc import Callable
from functools import partial

import click
import numpy as np

from modeling.mapping.smoothing import Smoothing, halo, smoothed
from tests.test_smoothing import bayes_slowly, majority_slowly, padded, some_shares

SMALL = 24  # side of the tile of the loop


def seconds(work: Callable[[], np.ndarray]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@click.command()
@click.option("--side", default=512, show_default=True)
@click.option("--classes", default=10, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def command(side: int, classes: int, rounds: int) -> None:
    """Measure both methods."""
    large = some_shares(classes=classes, height=side, width=side, gaps=0.02)
    small = some_shares(classes=classes, height=SMALL, width=SMALL, gaps=0.02)
    for settings, slowly in ((Smoothing.of("bayes"), bayes_slowly), (Smoothing.of("majority"), majority_slowly)):
        tile = padded(large, halo(settings))
        pairs = [(seconds(partial(smoothed, tile, settings)), seconds(partial(slowly, small, settings))) for _ in range(rounds)]
        quick, loop = (statistics.median(times) for times in zip(*pairs, strict=True))
        figures = {
            "method": settings.method, "window": settings.window, "classes": classes, "pixels_a_second": round(side**2 / quick),
            "times_the_loop": round(loop / SMALL**2 / (quick / side**2)),
        }  # fmt: skip
        click.echo(json.dumps(figures))


if __name__ == "__main__":
    command()
