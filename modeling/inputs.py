"""Which channels a model is shown: bands, vegetation indices, or both, as a text says. No torch; no I/O.

The text is names joined by +, each once in effect:

    bands     every band of the collection
    land      the bands that see the land: all but B01, B09 and B10, whose pixels of 60 m are for the atmosphere; all where no other is left
    indices   the six index channels that tell crops apart beyond the bands: NDVI NDMI NDTI NDRE8A MNDWI PSRI (those it has bands for)
    rgb       B04, B03 and B02
    B08 ...   a band
    NDVI ...  an index of the app (`data.indices`), or one of the six
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from data.errors import CannotTrain
from data.indices import INDICES

RGB = ("B04", "B03", "B02")
ATMOSPHERE = ("B01", "B09", "B10")  # aerosol, water vapour and cirrus: ESA, Sentinel-2 User Handbook
# Normalised differences as (a - b) / (a + b), beside those that the app shows.
DIFFERENCES = {
    "NDMI": ("B08", "B11"),  # canopy water; Gao 1996
    "NDTI": ("B11", "B12"),  # residue and tillage; van Deventer et al. 1997
    "NDRE8A": ("B8A", "B05"),  # red edge, after Barnes et al. 2000
    "MNDWI": ("B03", "B11"),  # wet soil; Xu 2006
}
STACK = ("NDVI", "NDMI", "NDTI", "NDRE8A", "MNDWI", "PSRI")
GROUPS = ("land", "bands", "indices", "rgb")


@dataclass(frozen=True)
class Channel:
    """One input channel. bands: what `formula` takes, in its order; a band alone has no formula."""

    name: str
    bands: tuple[str, ...]
    formula: Callable[..., Any] | None = None


def channels(inputs: str, bands: tuple[str, ...]) -> tuple[Channel, ...]:
    """The channels that `inputs` names, of a collection with these `bands`, each once, in the text's order.

    Raises:
        CannotTrain: a name that is neither band nor index, a band that the collection lacks, or nothing at all.
    """
    found: dict[str, Channel] = {}
    for word in inputs.replace(",", "+").split("+"):
        for name in _spelled_out(word.strip(), bands):
            found.setdefault(name, _channel(name, inputs, bands))
    if not found:
        raise CannotTrain(f"The inputs {inputs!r} name no channel that can be made of {', '.join(bands)}. Choose bands.")
    return tuple(found.values())


def _spelled_out(word: str, bands: tuple[str, ...]) -> tuple[str, ...]:
    if word.lower() == "bands":
        return bands
    if word.lower() == "land":
        return tuple(band for band in bands if band not in ATMOSPHERE) or bands
    if word.lower() == "indices":
        return tuple(name for name in STACK if set(_index(name).bands) <= set(bands))
    return RGB if word.lower() == "rgb" else (word.upper(),)


def _index(name: str) -> Channel | None:
    if name in DIFFERENCES:
        return Channel(name, DIFFERENCES[name], lambda a, b: (a - b) / (a + b))
    return Channel(name, INDICES[name].bands, INDICES[name].formula) if name in INDICES else None


def _channel(name: str, inputs: str, bands: tuple[str, ...]) -> Channel:
    if name in bands:
        return Channel(name, (name,))
    index = _index(name)
    if index is None:
        known = ", ".join([*GROUPS, *bands, *INDICES, *DIFFERENCES])
        raise CannotTrain(f"The inputs {inputs!r} hold {name!r}, which is no band of the collection and no index; choose from {known}.")
    lacking = [band for band in index.bands if band not in bands]
    if lacking:
        raise CannotTrain(f"The inputs {inputs!r} hold {name}, which needs {', '.join(lacking)}; the collection has {', '.join(bands)}.")
    return index


def check_known(channels: tuple[Channel, ...], shares: list[float], named: str, collection: str) -> None:
    """Refuse a channel of which the training part knows nothing.

    shares: of each channel's values that are known. named: the inputs as text.

    Raises:
        CannotTrain: a share is 0.
    """
    for channel, share in zip(channels, shares, strict=True):
        if share == 0:
            raise CannotTrain(
                f"{channel.name} has no value in any sample of the training part of {collection}. Leave it out of the inputs, "
                f"which are {named}."
            )
