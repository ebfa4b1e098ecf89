"""Trained models on disk: written whole or not at all, read without running any code from the file."""

import io
import os
import pickle
from pathlib import Path

import torch

from data.errors import CannotTrain
from modeling.classifier import Classifier
from modeling.config import TrainConfig

FORMAT = 1


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


def load(path: Path, device: str = "cpu") -> dict:
    """What `save` wrote.

    Raises:
        CannotTrain: the file is missing or damaged, or was written by a newer version.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise CannotTrain(f"The checkpoint {path} is missing. Resume the run, or train again.") from None
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError, OSError) as error:
        raise CannotTrain(f"The checkpoint {path} cannot be read: {error}. Train again.") from error
    if not isinstance(content, dict) or "format" not in content:
        raise CannotTrain(f"The file {path} is no checkpoint of Cropcheck. Train again.")
    if content["format"] != FORMAT:
        raise CannotTrain(f"The checkpoint {path} has format {content['format']}; this version reads {FORMAT}. Update this checkout.")
    return content


def content(config: TrainConfig, classes: tuple[str, ...], bands: tuple[str, ...], content_hash: str, parts: dict[str, dict]) -> dict:
    """A run's checkpoint.

    parts: name of the training ("train", or the fold left out) -> state of its classifier, which holds the normalisation.
    """
    return {
        "format": FORMAT, "config": config.to_json(), "classes": list(classes), "bands": list(bands), "content_hash": content_hash,
        "parts": parts,
    }  # fmt: skip


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


def classifier(stored: dict, part: str) -> Classifier:
    """The trained network of one part of a checkpoint.

    Raises:
        CannotTrain: its numbers do not fit the model, the inputs or the classes that it names.
    """
    config = TrainConfig.from_json(stored["config"])
    model = Classifier(config, tuple(stored["bands"]), len(stored["classes"]))
    try:
        model.load_state_dict({"features.known": torch.ones_like(model.features.known)} | stored["parts"][part])  # 0.2 had no known shares
    except (RuntimeError, KeyError, TypeError) as error:
        raise CannotTrain(
            f"The checkpoint's numbers do not fit {config.model} on {config.inputs} with {len(stored['classes'])} classes: it is of an "
            f"earlier version, or damaged ({str(error).splitlines()[0]}). Train again."
        ) from error
    return model
