"""The form of a new run: model, labels, inputs, which samples judge, how it learns. Gives settings; starts nothing."""

from typing import Any

import streamlit as st

from data import indices, info, seasons
from data.catalogue import Collection
from data.store import Store
from labeling import places, queues
from modeling import config as settings
from modeling import registry
from modeling.inputs import DIFFERENCES

LABELS = {
    "inventory": "Inventory: the map's own labels",
    "verified": "Verified only",
    "mixed": "In force: verified where there is a decision",
}
CHOSEN = "chosen"
INPUTS = {
    "land+indices": "Land bands, six indices", "bands+indices": "Bands, six indices", "bands": "Bands", "land": "Land bands",
    "indices": "Six indices", "rgb": "RGB",
    CHOSEN: "Chosen one by one …",
}  # fmt: skip
SPLITS = {"random": "Random by site", "block": "Spatial blocks", "region": "By region", "year": "By year"}
IMAGES = {settings.BEST: "The best of the season", CHOSEN: "The best of chosen months", settings.EACH: "Each in turn"}
PARTS = ("60/20/20", "70/15/15", "5 folds", "10 folds")
METRICS = {"macro_f1": "Macro-F1", "accuracy": "Accuracy", "kappa": "Kappa", "loss": "Loss"}
MEMORY = {"auto": "As it fits", "resident": "All on the device", "streamed": "Read batch by batch"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LARGE_BLOCK_M, SMALL_BLOCK_M = 10_000, 750  # for collections over provinces, and over a few kilometres

Settings = dict[str, Any]


def show(store: Store, collection: Collection) -> Settings:
    """The form; gives the settings of `TrainConfig.for_model` that it says, the model among them."""
    names = registry.suited(is_series=collection.is_series)
    model = st.selectbox("Model", names, format_func=lambda name: registry.MODELS[name].title, key=f"train.model.{collection.is_series}")
    chosen = {"model": model} | _labels(store, collection)
    chosen |= _inputs(collection, registry.MODELS[model])
    chosen |= _split(store, collection)
    if not registry.MODELS[model].estimator:
        with st.expander("How it learns"):
            chosen |= _learning(model)
    with st.expander("Device, seed and size"):
        chosen |= _device(model)
    return chosen


def _labels(store: Store, collection: Collection) -> Settings:
    progress = info.progress(store, collection.name)
    labels = st.radio("Labels", list(LABELS), format_func=LABELS.get, key="train.labels")
    st.caption(
        f"{progress.agreed + progress.relabelled} of {progress.samples} samples are verified "
        f"({progress.relabelled} of them relabelled), {progress.rejected} rejected."
    )
    if labels == "verified":
        return {"labels": labels}
    ranked = [run for run, _ in queues.doubts(store, collection.name)]
    doubts = _doubts(collection, ranked) if ranked else None
    if labels == "inventory" or doubts:
        return {"labels": labels, "doubts": doubts or ""}
    weight = st.slider(
        "Weight of a label that nobody verified", 0.05, 1.0, 0.85, 0.05, key="train.unverified_weight",
        help="A verified label weighs 1. 0.85 is the Annual Crop Inventory's published target accuracy. Rejected samples weigh nothing.",
    )  # fmt: skip
    return {"labels": labels, "unverified_weight": weight}


def _doubts(collection: Collection, ranked: list[str]) -> str | None:
    """A run whose ranking weighs the labels."""
    return st.selectbox(
        "Weigh unverified labels by the doubts of", ranked, index=None, placeholder="No run: all alike",
        key=f"train.doubts.{collection.name}",
        help="A run that ranked label errors: each label weighs the probability that this run gives it, out of fold.",
    )  # fmt: skip


def _inputs(collection: Collection, model: registry.Model) -> Settings:
    first, second = st.columns(2)
    inputs = first.selectbox("Inputs", list(INPUTS), format_func=INPUTS.get, key="train.inputs")
    found: Settings = {"months": _months(second, collection, model)}
    if inputs == CHOSEN:
        known = [*collection.bands, *indices.available(collection.bands)]
        known += [name for name, bands in DIFFERENCES.items() if set(bands) <= set(collection.bands)]
        inputs = "+".join(
            st.multiselect("Bands and indices", known, known[:1], key=f"train.channels.{collection.name}", placeholder="At least one")
        )
    if model.kind in (registry.IMAGE, registry.SEQUENCE):
        side = min(collection.height, collection.width)
        found["window"] = st.slider(
            "Middle of the patch (px)", 1, side, min(side, model.defaults["window"]), key=f"train.window.{collection.name}",
            help="The label is of the field in the middle; a whole patch holds several fields.",
        )  # fmt: skip
    return found | {"inputs": inputs or "bands"}


def _months(place, collection: Collection, model: registry.Model) -> str:
    """The setting `months`."""
    if model.kind == registry.IMAGE:
        image = place.selectbox("Image", list(IMAGES), format_func=IMAGES.get, key="train.image")
        if image != CHOSEN:
            return image
    names = sorted({seasons.when(name).month for name in collection.slot_names}) if collection.aligned else range(1, 13)
    chosen = (st if model.kind == registry.IMAGE else place).multiselect(
        "Months", names, format_func=lambda month: MONTHS[month - 1], key=f"train.months.{collection.name}", placeholder="All"
    )
    return "+".join(map(str, sorted(chosen)))


def _split(store: Store, collection: Collection) -> Settings:
    stored = [name for name in info.splits(store, collection.name) if name not in SPLITS]
    first, second = st.columns(2)
    split = first.selectbox(
        "Split", [*SPLITS, *stored], format_func=lambda name: SPLITS.get(name, f"Stored: {name}"), key=f"train.split.{collection.name}",
        help="Which samples teach and which judge. Blocks, regions and years tell how well the model carries over to other places.",
    )  # fmt: skip
    if split in stored:
        return {"split": split}
    if split in ("region", "year"):
        return {"split": split} | _held_out(store, collection, split)
    parts = second.selectbox(
        "Parts", PARTS, key="train.parts", accept_new_options=True,
        help="Per cent of train, validation and test part; or folds: every sample is judged by a model that never saw it. "
        "Type others, as 80/10/10 or 4 folds.",
    )  # fmt: skip
    found: Settings = {"split": split} | _parts(parts)
    if split == "block":
        side = SMALL_BLOCK_M if collection.name.startswith("bavaria") else LARGE_BLOCK_M
        found["block_side_m"] = float(first.number_input("Block side (m)", 100, 200_000, side, step=250, key="train.block_side_m"))
    return found


def _parts(text: str) -> Settings:
    """5 folds -> folds, 60/20/20 -> shares."""
    number = text.lower().removesuffix("folds").strip()
    return {"folds": int(number)} if number.isdecimal() else {"shares": text.replace(" ", "").removesuffix("%")}


def _held_out(store: Store, collection: Collection, split: str) -> Settings:
    regions, years = places.regions_and_years(store, collection.name)
    names = regions if split == "region" else [str(year) for year in years]
    first, second = st.columns(2)
    test = first.multiselect("Test part", names, key=f"train.held_out.{split}", placeholder="Each in turn")
    if not test:
        return {}
    rest = [name for name in names if name not in test]
    watched = second.multiselect("Validation part", rest, key=f"train.watched.{split}", placeholder="None")
    return {"held_out": "+".join(test), "watched": "+".join(watched)}


def _learning(model: str) -> Settings:
    """The numbers of training; every model has its own defaults."""
    default = settings.TrainConfig.for_model(model, "")
    left, middle, right = st.columns(3)

    def number(place, title: str, name: str, lowest: float, highest: float, **more: Any) -> None:
        found[name] = place.number_input(title, lowest, highest, getattr(default, name), key=f"train.{name}.{model}", **more)

    found: Settings = {}
    number(left, "Epochs", "epochs", 1, 5000)
    number(middle, "Batch size", "batch_size", 2, 4096)
    number(right, "Learning rate", "learning_rate", 1e-6, 1.0, format="%.5f", step=1e-4)
    number(left, "Patience", "patience", 0, 5000, help="Epochs without a better validation metric before it stops; 0 = never.")
    found["metric"] = middle.selectbox("Metric", list(METRICS), format_func=METRICS.get, key="train.metric", help="Chooses the best epoch.")
    number(right, "Weight decay", "weight_decay", 0.0, 1.0, format="%.4f", step=1e-3)
    found["optimizer"] = left.selectbox("Optimizer", settings.OPTIMIZERS, key="train.optimizer")
    number(middle, "Warm-up", "warmup", 0.0, 0.9, step=0.05, help="Share of the epochs in which the learning rate rises.")
    found["decay"] = right.selectbox("Decay", settings.DECAYS, key="train.decay", help="Of the learning rate after the warm-up.")
    number(left, "Label smoothing", "label_smoothing", 0.0, 0.9, step=0.01)
    number(middle, "Hidden dates", "date_drop", 0.0, 0.9, step=0.05, help="Share of a season's dates hidden at random in every batch.")
    number(right, "Noise", "noise", 0.0, 2.0, step=0.05, help="Standard deviation, on standardised inputs.")
    number(left, "Shift (days)", "date_shift", 0.0, 60.0, step=1.0, help="Seasons are moved at random by about so many days.")
    with st.container(horizontal=True):
        for title, name in (("Balance classes", "class_weights"), ("Day of year", "day_of_year"), ("Turn patches", "turns")):
            found[name] = st.toggle(title, getattr(default, name), key=f"train.{name}.{model}")
    return found


def _device(model: str) -> Settings:
    left, middle, right = st.columns(3)
    dates = settings.TrainConfig.for_model(model, "").dates
    return {
        "device": left.selectbox("Device", settings.DEVICES, key="train.device", help="auto: a GPU where there is one."),
        "memory": middle.selectbox(
            "Memory", list(MEMORY), format_func=MEMORY.get, key="train.memory", help="Inputs on the device, or read batch by batch."
        ),
        "threads": right.number_input("Threads", 0, 256, 0, key="train.threads", help="0: what the model is fastest with."),
        "seed": left.number_input("Seed", 0, 10_000, 0, key="train.seed", help="Of split, weights, batches and augmentation."),
        "limit": middle.number_input("Samples", 0, 10_000_000, 0, key="train.limit", help="At most so many to learn from; 0: all."),
        "dates": right.selectbox(
            "Dates", settings.DATES, settings.DATES.index(dates), key=f"train.dates.{model}",
            help="all: every image but those marked bad; clear: only those of quality ok.",
        ),
    }  # fmt: skip
