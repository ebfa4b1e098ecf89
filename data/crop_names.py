"""What people call crops, in English or French, as codes of a legend. Reads Canada's Annual Crop Inventory's; no other I/O."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache

from data import aci
from data.importing import LegendClass

# Names in use that a legend may lack -> the inventory's English name.
_SAME_CROP = {
    "soy": "Soybean", "soya": "Soybean", "soja": "Soybean", "flax": "Flaxseed", "rape": "Canola", "rapeseed": "Canola",
    "oilseed rape": "Canola", "maize": "Corn", "grain corn": "Corn", "silage corn": "Corn", "maïs grain": "Corn", "maïs ensilage": "Corn",
    "timothy": "Pasture", "fléole": "Pasture", "hay": "Pasture", "foin": "Pasture", "alfalfa": "Pasture", "luzerne": "Pasture",
    "forage": "Pasture", "fourrage": "Pasture", "pasture and forages": "Pasture", "field pea": "Pea", "dry bean": "Bean",
    "barren": "Exposed Land",
}  # fmt: skip
_FILLERS = {"a", "and", "au", "d", "de", "des", "du", "et", "l", "la", "le", "les", "of", "the"}


class CropNames:
    """The names of a legend, in any case, number, order of words and separators; whole names come before parts, English before French."""

    def __init__(self, legend: Iterable[LegendClass]) -> None:
        entries = list(legend)
        named = [(entry.name, entry.code) for entry in entries] + [(entry.name_fr, entry.code) for entry in entries]
        self._codes: dict[str, int] = {}
        for keys in (_word_keys, _keys):
            for name, code in named:
                for key in keys(name):
                    self._codes.setdefault(key, code)
        for name, same in _SAME_CROP.items():
            known = next((self._codes[key] for key in _keys(same) if key in self._codes), None)
            for key in _keys(name):
                if known is not None:
                    self._codes.setdefault(key, known)

    def code(self, name: str) -> int | None:
        """The code that a name means; None where the legend has none like it."""
        return next((self._codes[key] for key in _keys(name) if key in self._codes), None)


def crop_code(text: object) -> int | None:
    """The ACI code that a cell means: a code, or a name in English or French in any case, plural and order of words; else None."""
    return _meant(str(text).strip())


@lru_cache(4096)
def _meant(words: str) -> int | None:
    if re.fullmatch(r"\d+(\.0+)?", words):
        code = int(float(words))
        return code if code in {entry.code for entry in aci.legend()} else None
    return _inventory().code(words)


@cache
def _inventory() -> CropNames:
    return CropNames(aci.legend())


def plain(text: str) -> str:
    """Lower case, without accents; everything else than letters and digits becomes a blank."""
    folded = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", " ", folded).strip()


def _keys(text: str) -> list[str]:
    """What a crop's name may be looked up by, the closest first: its words sorted, or run together; also of its parts."""
    without = re.sub(r"\(.*?\)", " ", text)
    return [key for part in (text, without, *without.split("/")) for key in _word_keys(part)]


def _word_keys(text: str) -> list[str]:
    words = [_singular(word) for word in plain(text.replace("'", " ").replace("’", " ")).split() if word not in _FILLERS]
    return [" ".join(sorted(words)), "".join(words)] if words else []


def _singular(word: str) -> str:
    for end, becomes in (("oes", "o"), ("ies", "y"), ("s", "")):
        if len(word) > 3 and word.endswith(end):
            return word.removesuffix(end) + becomes
    return word
