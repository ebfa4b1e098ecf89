"""NetCDF and Zarr cubes, a file a site: how they become a collection.

A cube has the dimensions time, y and x; its bands are variables, or the coordinate `band` of one variable. A variable SCL (the scene
classification of Sentinel-2 L2A) says which pixels are clear. A cube over several calendar years gives a sample a year.
"""

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from data.errors import BadInput
from data.importers import described, placing
from data.importers.described import LARGEST_PX, Legend, Options, Plan, Unusable
from data.importers.manifest import Entry, one_a_year
from data.importing import NO_LABEL, CollectionSpec, NewSample
from data.report import Report

DIMENSIONS = {
    "t": ("t", "time", "date"), "y": ("y", "lat", "latitude", "northing"), "x": ("x", "lon", "longitude", "easting"),
    "band": ("band", "bands", "variable"),
}  # fmt: skip
UNEVEN = 1e-3  # of a pixel


@dataclass(frozen=True)
class Cube:
    """A cube's grid and contents; reading it holds no pixels.

    data: dimensions t, y, x; y from north to south.
    dates: ISO, one a step of t. bands: variable names by band. scl: name of the scene classification, or None.
    crs, transform: (column, row) of the upper left corner -> crs, as a b c d e f.
    """

    data: xr.Dataset
    dates: tuple[str, ...]
    bands: dict[str, str]
    scl: str | None
    crs: str
    transform: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return self.data.sizes["y"], self.data.sizes["x"]


@dataclass(frozen=True)
class Header:
    """What is kept of a cube until it is read. at: per date the step of its first image; a season of each year."""

    seasons: dict[int, dict[str, int]]
    bands: tuple[str, ...]
    height: int
    width: int


def plan(folder: Path, entries: list[Entry], told: dict, options: Options, report: Report) -> Plan:
    """The import of cubes that a manifest lists, each with one file; opens every cube, reads no pixels.

    Raises:
        BadInput: no cube can be opened, or the legend cannot be read.
    """
    found: dict[str, tuple[Entry, Header]] = {}
    for entry in entries:
        try:
            with opened(entry.images[0].file, options) as data:
                header = _header(cube(data, options), entry, report)
        except Unusable as problem:
            report.leave_out(problem.kind, entry.name, problem.fact)
            continue
        found |= {sample.name: (sample, header) for sample in _a_year_each(entry, header)}
    kept = list(one_a_year((found[name][0] for name in sorted(found)), report))
    if not kept:
        raise BadInput(f"There is nothing to import in {folder}.\n{report.text()}")
    headers = {entry.name: found[entry.name][1] for entry in kept}
    slots, aligned = described.season({entry.name: list(headers[entry.name].seasons[entry.year]) for entry in kept}, told)
    legend = described.legend(Counter(entry.crop for entry in kept), told, options.legend, report)
    spec = described.spec(
        told,
        slots=slots,
        aligned=aligned,
        composites=False,
        bands=described.band_names(told["bands"]) if told.get("bands") else headers[kept[0].name].bands,
        height=told.get("height") or max(header.height for header in headers.values()),
        width=told.get("width") or max(header.width for header in headers.values()),
        legend=legend,
        split=(told.get("split") or "given") if any(entry.part for entry in kept) else "",
        origin=described.origin("cubes", entries, options, folder),
    )
    by_name = {entry.name: entry for entry in kept}
    make = partial(_make, entries=by_name, headers=headers, spec=spec, legend=legend, options=options, outlines=placing.outlines(folder))
    return Plan(spec, list(by_name), make, report)


def _header(found: Cube, entry: Entry, report: Report) -> Header:
    seasons: dict[int, dict[str, int]] = {}
    for step in np.argsort(np.array(found.dates), kind="stable"):
        date = found.dates[step]
        season = seasons.setdefault(int(date[:4]), {})
        if date in season:
            report.leave_out("images that a sample has twice", entry.name, date)
        else:
            season[date] = int(step)
    return Header(seasons, tuple(found.bands), *found.shape)


def _a_year_each(entry: Entry, header: Header) -> list[Entry]:
    """The cube's samples: named by site and year, or, the only one, as the manifest names it."""
    named = entry.named and len(header.seasons) == 1
    years = [entry.year] if entry.year in header.seasons else sorted(header.seasons)
    return [replace(entry, name=entry.name if named else f"{entry.site}-{year}", year=year) for year in years]


def opened(file: Path, options: Options) -> xr.Dataset:
    """The cube's data set, lazily.

    Raises:
        Unusable: it is no NetCDF-4 file or Zarr store.
    """
    try:
        if file.suffix.lower() == ".zarr":
            return xr.open_zarr(file, chunks=None, consolidated=False)
        return xr.open_dataset(file, engine="h5netcdf")
    except Exception as error:  # h5py, h5netcdf, zarr and xarray each have their own
        raise Unusable("unreadable files", f"{file.name}: {error}".splitlines()[0]) from error


def cube(data: xr.Dataset, options: Options) -> Cube:
    """What a data set is as a cube of Sentinel-2 bands.

    Raises:
        Unusable: it lacks a dimension, bands or a CRS, or its grid is uneven or too large.
    """
    crs = _crs(data, options)
    data = _upright(_flat(data))
    bands, scl = {}, None
    for name, variable in data.data_vars.items():
        if set(variable.dims) != {"t", "y", "x"}:
            continue
        band = described.band_name(str(name))
        if str(name).upper().endswith("SCL"):
            scl = str(name)
        elif band and band not in bands:
            bands[band] = str(name)
    if not bands:
        raise Unusable("cubes without bands", f"it has {', '.join(map(str, data.data_vars)) or 'nothing'}; name them B02, B03, ...")
    if max(data.sizes["y"], data.sizes["x"]) > LARGEST_PX:
        raise Unusable("rasters too large for a patch", f"{data.sizes['y']} x {data.sizes['x']} px; the most is {LARGEST_PX}; cut it")
    if not np.issubdtype(data["t"].dtype, np.datetime64):
        raise Unusable("cubes without dates", f"the time axis is {data['t'].dtype}")
    dates = tuple(str(day) for day in data["t"].values.astype("datetime64[D]"))
    (west, width), (north, height) = (_axis(data[axis].values.astype(float), axis) for axis in ("x", "y"))
    return Cube(data, dates, bands, scl, crs, (width, 0.0, west, 0.0, height, north))


def _flat(data: xr.Dataset) -> xr.Dataset:
    """Dimensions renamed to t, y, x, and a variable with the dimension `band` taken apart."""
    names = {axis: next((name for name in names if name in data.dims), None) for axis, names in DIMENSIONS.items()}
    lacking = [axis for axis in ("t", "y", "x") if names[axis] is None or names[axis] not in data.coords]
    if lacking:
        raise Unusable("cubes without a needed axis", f"no {', '.join(lacking)} with coordinates; it has {', '.join(map(str, data.dims))}")
    data = data.rename({name: axis for axis, name in names.items() if name and name != axis})
    stacked = next((variable for variable in data.data_vars.values() if "band" in variable.dims), None)
    if stacked is None or "band" not in stacked.coords:
        return data
    return xr.Dataset({str(band): stacked.sel(band=band, drop=True) for band in stacked["band"].values})


def _upright(data: xr.Dataset) -> xr.Dataset:
    """North up, west left."""
    if data.sizes["y"] > 1 and data["y"].values[0] < data["y"].values[-1]:
        data = data.isel(y=slice(None, None, -1))
    if data.sizes["x"] > 1 and data["x"].values[0] > data["x"].values[-1]:
        data = data.isel(x=slice(None, None, -1))
    return data


def _axis(centres: np.ndarray, axis: str) -> tuple[float, float]:
    """The outer edge of the first pixel, and the step; centres ascend in x and descend in y."""
    steps = np.diff(centres)
    if not steps.size:
        raise Unusable("cubes of a single pixel", f"one {axis}; give field means as a table")
    step = (centres[-1] - centres[0]) / len(steps)
    if not np.isfinite(step) or np.abs(steps - step).max() > UNEVEN * abs(step):
        raise Unusable("uneven grids", f"the steps of {axis} are {steps.min():g} ... {steps.max():g}")
    return float(centres[0] - step / 2), float(step)


def _crs(data: xr.Dataset, options: Options) -> str:
    """By the CF grid mapping, a variable `crs` or `spatial_ref`, or the option; EPSG:4326 where the axes are called lat and lon."""
    mapped = [variable.attrs.get("grid_mapping") or variable.encoding.get("grid_mapping") for variable in data.data_vars.values()]
    for name in [*filter(None, mapped), "spatial_ref", "crs"]:
        if name in data.variables:
            attributes = data[name].attrs
            wkt = attributes.get("crs_wkt") or attributes.get("spatial_ref")
            if wkt:
                return placing.crs_text(wkt)
    if options.crs or isinstance(data.attrs.get("crs"), str):
        return placing.crs_text(options.crs or data.attrs["crs"])
    if {"lat", "lon"} <= set(data.dims) or {"latitude", "longitude"} <= set(data.dims):
        return "EPSG:4326"
    raise Unusable("rasters without CRS", "no grid mapping, crs or spatial_ref; say --crs")


# Making samples


def _make(
    names: list[str],
    *,
    entries: dict[str, Entry],
    headers: dict[str, Header],
    spec: CollectionSpec,
    legend: Legend,
    options: Options,
    outlines: dict,
) -> tuple[list[NewSample], Report]:
    samples, report = [], Report()
    for name in names:
        entry = entries[name]
        try:
            with opened(entry.images[0].file, options) as data:
                season = headers[name].seasons[entry.year]
                made = _sample(entry, cube(data, options), season, spec, options, outlines.get(entry.site), report)
                samples.append(replace(made, inventory_code=legend.codes[entry.crop]))
        except Unusable as problem:
            report.leave_out(problem.kind, name, problem.fact)
    return samples, report


def _sample(
    entry: Entry, found: Cube, season: dict[str, int], spec: CollectionSpec, options: Options, outline: dict | None, report: Report
) -> NewSample:
    """The cube's sample of one year, without a label yet."""
    if not set(spec.bands) <= set(found.bands):
        raise Unusable("files without a needed band", f"it lacks {', '.join(band for band in spec.bands if band not in found.bands)}")
    height, width = found.shape
    if height > spec.height or width > spec.width:
        raise Unusable("patches larger than the collection's", f"{height} x {width} px; it has room for {spec.height} x {spec.width}")
    at = described.places(list(season), spec.slots, spec.aligned)
    for date in season.keys() - at.keys():
        report.leave_out("dates outside of the season", f"{entry.name} {date}", f"the slots are {spec.slots[0]} ... {spec.slots[-1]}")
    slots, steps = list(at.values()), [season[date] for date in at]
    pixels = np.zeros((len(spec.slots), len(spec.bands), height, width), np.uint16)
    try:
        for number, band in enumerate(spec.bands):
            pixels[slots, number] = _values(found.data[found.bands[band]].isel(t=steps), options)
        scl = np.zeros((len(spec.slots), height, width), np.uint8) if found.scl else None
        if scl is not None:
            classes = found.data[found.scl].isel(t=steps).transpose("t", "y", "x").values
            scl[slots] = np.nan_to_num(classes.astype(np.float32), nan=0)
    except (OSError, ValueError, RuntimeError) as error:
        raise Unusable("unreadable files", f"{entry.images[0].file.name}: {error}") from error
    dates = {slot: date for date, slot in at.items()}
    field = placing.field(outline, pixels, found.crs, found.transform)
    outline, lon, lat = placing.place(entry, pixels, found.crs, found.transform, outline, report)
    return NewSample(
        name=entry.name,
        site=entry.site,
        lon=lon,
        lat=lat,
        region=entry.region,
        year=entry.year,
        inventory_code=NO_LABEL.code,
        pixels=pixels,
        acquired=tuple(dates.get(slot) for slot in range(len(spec.slots))),
        interpolated=(False,) * len(spec.slots),
        crs=found.crs,
        transform=found.transform,
        polygon=outline,
        field=field,
        clear=None if scl is None else ~np.isin(scl, options.masked),
        scl=scl,
        part=entry.part,
    )


def _values(variable: xr.DataArray, options: Options) -> np.ndarray:
    """(T, h, w) pixels. Whole numbers without a CF scale are reflectance x 10 000; xarray has applied scale, offset and fill value."""
    values = variable.transpose("t", "y", "x").values
    encoded = np.dtype(variable.encoding.get("dtype", variable.dtype))
    whole = encoded.kind in "iu" and "scale_factor" not in variable.encoding
    scale = options.scale if options.scale is not None else (1e-4 if whole else 1.0)
    nodata = options.nodata
    if nodata is None and "_FillValue" not in variable.encoding and "missing_value" not in variable.encoding:
        nodata = 0.0
    return described.to_pixels(values, np.ones(values.shape, bool) if nodata is None else values != nodata, scale)
