"""The export formats by name. A format's module is imported when it is used."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from data.errors import BadInput


@dataclass(frozen=True)
class Format:
    """A way out.

    title, about: for people; about says in one line what is in it and who opens it.
    module, function: where `write(source, to, report, tell)` is.
    """

    name: str
    title: str
    about: str
    module: str
    function: str = "write"

    def writer(self) -> Callable:
        return getattr(import_module(self.module), self.function)


FORMATS = {
    entry.name: entry
    for entry in (
        Format(
            "geoparquet",
            "GeoParquet",
            "One row a sample with its outline: GeoPandas, QGIS, DuckDB.",
            "data.exports.tables",
            "write_geoparquet",
        ),
        Format("csv", "CSV", "The same table as text, with the outline as WKT: any spreadsheet.", "data.exports.tables", "write_csv"),
        Format("geotiff", "GeoTIFF", "The pixels of every sample as Cloud-Optimised GeoTIFFs: QGIS, rasterio.", "data.exports.geotiff"),
        Format(
            "stac", "STAC", "A STAC collection with an item an image and the label extension: pystac, STAC browsers.", "data.exports.stac"
        ),
        Format(
            "canadian", "Canadian Cropland Dataset", "Zips and PNG tree in the layout of the published data set.", "data.exports.canadian"
        ),
        Format("npz", "NumPy", "All pixels, labels and dates as arrays for training elsewhere: NumPy.", "data.exports.arrays", "write_npz"),
        Format("hdf5", "HDF5", "The same arrays, compressed and read in parts: h5py, MATLAB, R.", "data.exports.arrays", "write_hdf5"),
    )
}


def named(name: str) -> Format:
    """The format called `name`.

    Raises:
        BadInput: there is none.
    """
    if name not in FORMATS:
        raise BadInput(f"There is no export format {name!r}. Choose one of {', '.join(FORMATS)}.")
    return FORMATS[name]
