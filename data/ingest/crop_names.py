"""What people call crops, in English or French, as codes of Canada's Annual Crop Inventory. Reads its legend; no other I/O."""

import re
import unicodedata
from functools import cache, lru_cache

from data import aci

# Names in use that the inventory's legend lacks.
_SAME_CROP = {
    "soy": 158, "soja": 158, "flax": 154, "rape": 153, "rapeseed": 153, "oilseed rape": 153, "maize": 147, "grain corn": 147,
    "silage corn": 147, "maïs grain": 147, "maïs ensilage": 147, "timothy": 122, "fléole": 122, "hay": 122, "foin": 122,
    "alfalfa": 122, "luzerne": 122, "forage": 122, "fourrage": 122, "pasture and forages": 122, "field pea": 162, "dry bean": 167,
}  # fmt: skip
_FILLERS = {"a", "and", "au", "d", "de", "des", "du", "et", "l", "la", "le", "les", "of", "the"}


def crop_code(text: object) -> int | None:
    """The ACI code that a cell means: a code, or a name in English or French in any case, plural and order of words; else None."""
    return _meant(str(text).strip())


@lru_cache(4096)
def _meant(words: str) -> int | None:
    if re.fullmatch(r"\d+(\.0+)?", words):
        code = int(float(words))
        return code if code in {entry.code for entry in aci.legend()} else None
    known = _crop_names()
    return next((known[key] for key in _crop_keys(words) if key in known), None)


def plain(text: str) -> str:
    """Lower case, without accents; everything else than letters and digits becomes a blank."""
    folded = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", " ", folded).strip()


def _crop_keys(text: str) -> list[str]:
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


@cache
def _crop_names() -> dict[str, int]:
    """Key -> code; whole names come before parts, English before French."""
    legend = aci.legend()
    named = [(entry.name, entry.code) for entry in legend] + [(entry.name_fr, entry.code) for entry in legend]
    found: dict[str, int] = {}
    for keys in (_word_keys, _crop_keys):
        for name, code in (*named, *_SAME_CROP.items()):
            for key in keys(name):
                found.setdefault(key, code)
    return found
