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
    except (RuntimeError, EOFError, pickle.UnpicklingError, OSError) as error:
        raise CannotTrain(f"The checkpoint {path} cannot be read: {error}. Train again.") from error
    if content.get("format") != FORMAT:
        raise CannotTrain(f"The checkpoint {path} has format {content.get('format')}; this version reads {FORMAT}. Update this checkout.")
    return content


def content(config: TrainConfig, classes: tuple[str, ...], bands: tuple[str, ...], content_hash: str, parts: dict[str, dict]) -> dict:
    """A run's checkpoint.

    parts: name of the training ("train", or the fold left out) -> state of its classifier, which holds the normalisation.
    """
    return {
        "format": FORMAT, "config": config.to_json(), "classes": list(classes), "bands": list(bands), "content_hash": content_hash,
        "parts": parts,
    }  # fmt: skip


def classifier(stored: dict, part: str) -> Classifier:
    """The trained model of one part of a checkpoint."""
    config = TrainConfig.from_json(stored["config"])
    model = Classifier(config, tuple(stored["bands"]), len(stored["classes"]))
    model.load_state_dict(stored["parts"][part])
    return model
