"""Season stacks: rasters of one grid, a file a date, that a map is made of. `stack` says what one is, `opening` makes one of files."""
