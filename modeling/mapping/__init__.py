"""Maps: what a run predicts wall to wall over a season stack, as rasters in the folder that `data.mapped.folder` describes."""
