"""Trained models on disk: written whole or not at all, read without running any code from the file, and looked through before use.

A file may come from anywhere: a copy cut short, another run's folder, somebody who means harm. Whatever is wrong with it, `CannotTrain`
says so; nothing of it is built before its size, its types and its shapes are known to be those of a checkpoint.
"""

import io
import json
import os
import pickle
import re
import struct
import zipfile
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from data.errors import CannotTrain, UnknownModel
from modeling.classifier import Classifier
from modeling.config import TrainConfig

FORMAT = 1
MOST_CLASSES, MOST_BANDS, MOST_PARTS = 1_000, 200, 1_000
LONGEST_NAME = 200
MOST_NAMED = 20  # names in one message
COUNTS = ("epoch", "best_epoch", "batch_size")  # of a snapshot
ANYWHERE = ("device", "memory", "threads")  # settings that a run may be resumed or predict with otherwise
MOST_VALUES = 2_000_000  # tensors, numbers and texts in one file
LONGEST_REASON = 200  # of an error of PyTorch in our messages, some of which are a page long
KINDS = {"classes": list, "bands": list, "parts": dict, "config": str, "content_hash": str}
# Everything that reading a damaged archive or pickle can end in; PyTorch's unpickler passes most of it on as it is.
UNREADABLE = (
    RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OverflowError, MemoryError, OSError,
    EOFError, NotImplementedError, RecursionError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
UNFIT = (RuntimeError, KeyError, TypeError, ValueError, AttributeError, IndexError)  # what PyTorch says to a state of another model


def save(path: Path, content: dict) -> None:
    """Write `content` (tensors, numbers, text, lists, dictionaries) so that a crash never leaves half a file."""
    temporary = path.with_suffix(".partial")
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with temporary.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read(path: Path, device: str = "cpu") -> dict:
    """What `save` wrote, whatever it is: tensors, numbers, text, lists and dictionaries, and "format".

    Raises:
        CannotTrain: the file is missing, damaged or hostile, or was written by a newer version.
    """
    try:
        _check_archive(path)
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise CannotTrain(f"The checkpoint {path} is missing. Resume the run, or train again.") from None
    except UNREADABLE as error:
        raise CannotTrain(f"The checkpoint {path} cannot be read: {_short(error)}. Train again.") from error
    if not isinstance(content, dict) or "format" not in content:
        raise CannotTrain(f"The file {path} is no checkpoint of Cropcheck. Train again.")
    if content["format"] != FORMAT:
        found = str(content["format"])[:20]
        raise CannotTrain(f"The checkpoint {path} has format {found}; this version reads {FORMAT}. Update this checkout.")
    _check_plain(path, content)
    return content


def load(path: Path, device: str = "cpu") -> dict:
    """A run's checkpoint, as `content` makes it.

    Raises:
        CannotTrain: as `read`, or it is not what `content` makes.
    """
    found = read(path, device)
    for key, kind in KINDS.items():
        if not isinstance(found.get(key), kind):
            raise _strange(path, f"its {key} are missing or of another kind")
    for key, fewest, most in (("classes", 2, MOST_CLASSES), ("bands", 1, MOST_BANDS), ("parts", 0, MOST_PARTS)):
        names = list(found[key])
        if not fewest <= len(names) <= most or not all(isinstance(name, str) and 0 < len(name) <= LONGEST_NAME for name in names):
            raise _strange(path, f"it has {len(names)} {key}, which must be {fewest} to {most} names")
        if len(set(names)) < len(names):
            raise _strange(path, f"some of its {key} are there twice")
    if not all(isinstance(state, dict) and all(isinstance(name, str) for name in state) for state in found["parts"].values()):
        raise _strange(path, "its parts hold something else than states of models")
    config_of(found, path)
    return found


def content(config: TrainConfig, classes: tuple[str, ...], bands: tuple[str, ...], content_hash: str, parts: dict[str, dict]) -> dict:
    """A run's checkpoint.

    parts: name of the training ("train", or the fold left out) -> state of its classifier, which holds the normalisation.
    """
    return {
        "format": FORMAT, "config": config.to_json(), "classes": list(classes), "bands": list(bands), "content_hash": content_hash,
        "parts": parts,
    }  # fmt: skip


def config_of(stored: dict, path: Path | str = "") -> TrainConfig:
    """The settings that a checkpoint was trained with.

    Raises:
        CannotTrain: they are no settings of this version, or name an unknown model.
    """
    try:
        return TrainConfig.from_json(stored["config"])
    except (CannotTrain, UnknownModel, *UNFIT, RecursionError, json.JSONDecodeError) as error:
        raise _strange(path, f"its settings cannot be used: {_short(error)}") from error


def check_bands(stored: dict, bands: tuple[str, ...]) -> None:
    """Refuse a checkpoint of other bands than these.

    Raises:
        CannotTrain: it was trained on others, or on another order of them.
    """
    if tuple(stored["bands"]) != bands:
        raise CannotTrain(
            f"The checkpoint was trained on the bands {', '.join(stored['bands'])}; the collection has {', '.join(bands)}. "
            "Train a model on this collection."
        )


def check_classes(stored: dict, classes: tuple[str, ...]) -> None:
    """Refuse a checkpoint whose classes are not among these, in their order.

    Raises:
        CannotTrain: it tells a class that is not there, or has them in another order.
    """
    if [name for name in classes if name in stored["classes"]] != stored["classes"]:
        raise CannotTrain(
            f"The checkpoint was trained on the classes {', '.join(stored['classes'][:MOST_NAMED])}; the collection has "
            f"{', '.join(classes[:MOST_NAMED])}. Train a model on this collection."
        )


def check_run(stored: dict, config: TrainConfig) -> None:
    """Refuse a checkpoint that is of another run than the one with these settings.

    Raises:
        CannotTrain: it differs in what decides the figures. Device, memory and threads may differ.
    """
    there = config_of(stored)
    for field in fields(config):
        mine, its = getattr(config, field.name), getattr(there, field.name)
        if mine != its and field.name not in ANYWHERE:
            raise CannotTrain(
                f"The checkpoint in the run's folder is of another run: its {field.name} is {its!r}, the run's is {mine!r}. Remove "
                "checkpoint.pt and resume the run, or train again."
            )


def check_job(stored: dict, config: TrainConfig, bands: tuple[str, ...], classes: tuple[str, ...], parts: Collection[str]) -> None:
    """Refuse to go on from a checkpoint that a run of these settings, bands, classes and parts cannot have written.

    Raises:
        CannotTrain: it differs in one of them; some parts may be missing still.
    """
    check_run(stored, config)
    check_bands(stored, bands)
    check_classes(stored, classes)
    if len(stored["classes"]) != len(classes):
        raise CannotTrain(
            f"The checkpoint in the run's folder tells {len(stored['classes'])} classes apart, the run {len(classes)}. Remove "
            "checkpoint.pt and resume the run, or train again."
        )
    check_parts(stored, allowed=parts)


def check_parts(stored: dict, *, needed: Collection[str] = (), allowed: Collection[str] | None = None) -> None:
    """Refuse a checkpoint that lacks a model, or holds one of another split.

    needed: parts whose model must be there. allowed: parts that may be there; None = any.

    Raises:
        CannotTrain: a part is missing, or not allowed.
    """
    there, run = set(stored["parts"]), set(needed if allowed is None else allowed)
    if not set(needed) <= there or (allowed is not None and not there <= run):
        raise CannotTrain(
            f"The checkpoint holds models of the parts {', '.join(sorted(there)[:MOST_NAMED]) or 'none'}; the run's split has "
            f"{', '.join(sorted(run)[:MOST_NAMED])}. Remove checkpoint.pt and resume the run, or train again."
        )


def resume(fit: Any, path: Path, state: Any) -> None:
    """Go on from a `Fit.snapshot`. fit: the `Fit`, just made. path: of the file that held the snapshot.

    Raises:
        CannotTrain: the snapshot is damaged, or of another model.
    """
    try:
        if not all(type(state[key]) is int and state[key] >= 0 for key in COUNTS):
            raise ValueError(f"{', '.join(COUNTS)} are no counts")
        fit.restore(state)
    except UNFIT as error:
        raise CannotTrain(
            f"The run cannot go on from {path}, which is damaged or of another model ({_short(error)}). Remove the file and resume the "
            "run: this part then begins anew."
        ) from error


def classifier(stored: dict, part: str) -> Classifier:
    """The trained network of one part of a checkpoint.

    Raises:
        CannotTrain: its numbers do not fit the model, the inputs or the classes that it names, or are no numbers.
    """
    config = config_of(stored)
    model = Classifier(config, tuple(stored["bands"]), len(stored["classes"]))
    state = stored["parts"][part]
    try:
        model.load_state_dict({"features.known": torch.ones_like(model.features.known)} | state)  # 0.2 had no known shares
    except UNFIT as error:
        raise CannotTrain(
            f"The checkpoint's numbers do not fit {config.model} on {config.inputs} with {len(stored['classes'])} classes: it is of an "
            f"earlier version, or damaged ({_short(error)}). Train again."
        ) from error
    if not all(torch.isfinite(tensor).all() for tensor in model.state_dict().values()):
        raise CannotTrain(f"The checkpoint's {config.model} holds values that are no numbers: it is damaged. Train again.")
    return model


def _check_archive(path: Path) -> None:
    """Refuse what `save` never writes: another kind of file, packed members, or members larger together than the file."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members) or sum(m.file_size for m in members) > path.stat().st_size:
        raise zipfile.BadZipFile("its members are packed, which a checkpoint's never are")


def _check_plain(path: Path, content: dict) -> None:
    """Refuse anything but tensors in memory of their own size, numbers, text, lists and dictionaries, and too many of them."""
    waiting: list[Any] = [content]
    for _ in range(MOST_VALUES):
        if not waiting:
            return
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, torch.Tensor):
            if value.layout != torch.strided or value.is_quantized or value.is_meta or value.is_nested or _stretched(value):
                raise _strange(path, "it holds a tensor of another kind or size than its numbers")
        elif value is not None and not isinstance(value, bool | int | float | str):
            raise _strange(path, f"it holds a value of the type {type(value).__name__}")
    raise _strange(path, f"it holds more than {MOST_VALUES:,} values")


def _stretched(tensor: torch.Tensor) -> bool:
    """Whether a tensor claims more numbers than it has memory for."""
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()


def _strange(path: Path | str, what: str) -> CannotTrain:
    return CannotTrain(f"The checkpoint{f' {path}' if path else ''} is damaged or of another program: {what}. Train again.")


def _short(error: BaseException) -> str:
    """The first sentence of an error, in one line."""
    text = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
    return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + " ..."
