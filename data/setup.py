"""Filling a workspace: the three demo collections, and simulated collections of any size."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from data import demo, info, simulate
from data.errors import BadInput
from data.importing import CollectionSpec, NewSample, import_collection
from data.workspace import Workspace

DEMO_SAMPLES = 240  # of the simulated collection
Progress = Callable[[str, int, int], None]  # collection, samples done, samples in all


def make_demo(workspace: Workspace, progress: Progress) -> None:
    """Make the three demo collections; what is there already is left alone, and what a kill cut short goes on."""
    fields = demo.fields()
    _import(workspace, fields.spec, (sample for name in fields.names for sample in fields.make([name])[0]), len(fields.names), progress)
    _import(workspace, demo.parcels_spec(), demo.parcels(), 301, progress)
    make_simulated(workspace, simulate.NAME, DEMO_SAMPLES, seed=0, progress=progress)


def make_simulated(workspace: Workspace, name: str, samples: int, *, seed: int, progress: Progress) -> None:
    """Make a collection of simulated imagery; the true crops go to truth/<name>.csv, which neither app nor models read.

    Raises:
        BadInput: the collection is there, made with another seed or number of samples.
    """
    _keep_truth(workspace.home / "truth" / f"{name}.csv", simulate.truth(samples, seed=seed))
    _import(workspace, simulate.spec(name), simulate.samples(samples, seed=seed), samples, progress)


def _keep_truth(path: Path, truth: dict[str, int]) -> None:
    text = "sample,code\n" + "".join(f"{sample},{code}\n" for sample, code in truth.items())
    if path.exists() and path.read_text() != text:
        raise BadInput(f"{path.stem} is already there, made with another seed or number of samples. Choose another --collection.")
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".partial")
    temporary.write_text(text)
    temporary.replace(path)


def _import(workspace: Workspace, spec: CollectionSpec, samples: Iterable[NewSample], total: int, progress: Progress) -> None:
    """Import a collection that is not complete yet."""
    if info.progress(workspace.store, spec.name).samples == total:
        return

    def told() -> Iterator[NewSample]:
        for done, sample in enumerate(samples, start=1):
            progress(spec.name, done, total)
            yield sample

    import_collection(workspace, spec, told())
