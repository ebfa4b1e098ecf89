"""Maps: what a run predicts wall to wall over a stack, as a folder of Cloud-Optimised GeoTIFFs.

`folder` says what lies in one, `cogs` writes its rasters; the rest reads: pictures for the screen, values at a place, figures of an area.
"""
