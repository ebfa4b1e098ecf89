"""Where imagery comes from: STAC APIs, what they call the bands, how they sign addresses, how the -1000 offset is to be read.

Sentinel-2 L2A from processing baseline 04.00 on stores DN = reflectance x 10 000 + 1000, reprocessed older scenes too; 0 stays "no
data" (ESA, Sentinel-2 Products Specification Document). Whether a provider's files still carry the 1000 is worked out here from what
the item says, and held against the pixels in `data.ingest.offsets`.
"""

import threading
import time
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from data.errors import BadInput

OFFSET_FROM = 4.0  # processing baseline
OFFSET = 1000  # DN
SCL = "SCL"
TOKEN_SECONDS = 1800  # a signature is asked for anew after this; Planetary Computer's live for about an hour

_EARTH_SEARCH = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2", "B07": "rededge3",
    "B08": "nir", "B8A": "nir08", "B09": "nir09", "B11": "swir16", "B12": "swir22", SCL: "scl",
}  # fmt: skip
_PLAIN = {band: band for band in ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12", SCL)}
_METRES = {
    "B01": 60, "B02": 10, "B03": 10, "B04": 10, "B05": 20, "B06": 20, "B07": 20, "B08": 10, "B8A": 20, "B09": 60, "B11": 20, "B12": 20,
    SCL: 20,
}  # fmt: skip


@dataclass(frozen=True)
class Provider:
    """A STAC API with Sentinel-2 L2A scenes.

    assets: band (and SCL) -> asset key.
    sign_url: where a signature for the collection's files is asked for; empty if none is needed.
    gdal: options of GDAL for reading its files; keys and secrets come from the environment, never from here.
    block: side of the files' blocks in pixels, for the estimate of what is fetched.
    """

    name: str
    title: str
    url: str
    collection: str
    assets: dict[str, str]
    sign_url: str = ""
    gdal: dict[str, str] = field(default_factory=dict)
    block: int = 1024
    licence: str = "Copernicus Sentinel data terms"
    attribution: str = "Contains modified Copernicus Sentinel data"


PRESETS = {
    provider.name: provider
    for provider in (
        Provider(
            "earth-search", "Earth Search v1 (Element 84, AWS)", "https://earth-search.aws.element84.com/v1", "sentinel-2-l2a",
            _EARTH_SEARCH, gdal={"AWS_NO_SIGN_REQUEST": "YES"},
        ),
        Provider(
            "planetary-computer", "Planetary Computer (Microsoft)", "https://planetarycomputer.microsoft.com/api/stac/v1", "sentinel-2-l2a",
            _PLAIN, sign_url="https://planetarycomputer.microsoft.com/api/sas/v1/token/sentinel-2-l2a", block=512,
        ),
        Provider(
            "cdse", "Copernicus Data Space", "https://stac.dataspace.copernicus.eu/v1", "sentinel-2-l2a",
            {band: f"{band}_{metres}m" for band, metres in _METRES.items()},
            gdal={"AWS_S3_ENDPOINT": "eodata.dataspace.copernicus.eu", "AWS_VIRTUAL_HOSTING": "FALSE", "AWS_HTTPS": "YES"},
        ),
    )
}  # fmt: skip


def named(name: str, *, collection: str = "", assets: dict[str, str] | None = None) -> Provider:
    """The preset of this name, or the STAC API at this address.

    Args:
        collection: of the STAC API, where it is not the preset's.
        assets: band (and SCL) -> asset key, where they are not the preset's; needed for an address unless its keys are B01 ... SCL.

    Raises:
        BadInput: neither a preset nor an address.
    """
    if name in PRESETS:
        known = PRESETS[name]
        return replace(known, collection=collection or known.collection, assets=assets or known.assets)
    if urlsplit(name).scheme not in ("http", "https"):
        raise BadInput(f"There is no provider {name!r}. Choose {', '.join(PRESETS)}, or give the address of a STAC API.")
    return Provider(urlsplit(name).netloc, name, name, collection or "sentinel-2-l2a", assets or _PLAIN)


def baseline(properties: dict) -> str:
    """The processing baseline that an item names, as "05.09"; empty if it names none."""
    return str(properties.get("s2:processing_baseline") or properties.get("processing:version") or "")


def carries_offset(properties: dict) -> bool:
    """Whether, by what the item says, its files still hold the 1000 that baseline 04.00 brought in."""
    if properties.get("earthsearch:boa_offset_applied") is True:
        return False
    try:
        return float(baseline(properties)) >= OFFSET_FROM
    except ValueError:
        return False


_tokens: dict[str, tuple[float, str]] = {}
_lock = threading.Lock()


def signed(provider: Provider, href: str, *, anew: bool = False) -> str:
    """The address with the provider's signature, which is kept for half an hour; others as they are.

    Args:
        anew: ask for a new signature, because the one that is kept was refused.

    Raises:
        BadInput: the provider gives no signature.
    """
    if not provider.sign_url or not href.startswith("http"):
        return href
    with _lock:
        asked, token = _tokens.get(provider.sign_url, (float("-inf"), ""))
        if anew or time.monotonic() - asked > TOKEN_SECONDS:
            token = _token(provider)
            _tokens[provider.sign_url] = (time.monotonic(), token)
    return f"{href}{'&' if '?' in href else '?'}{token}"


def _token(provider: Provider) -> str:
    import requests  # late: only signed providers need it

    try:
        answer = requests.get(provider.sign_url, timeout=30)
        answer.raise_for_status()
        return answer.json()["token"]
    except (requests.RequestException, ValueError, KeyError) as error:
        raise BadInput(f"{provider.title} gives no signature at {provider.sign_url}: {error}. Try again later.") from error
