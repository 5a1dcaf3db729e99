"""The page of a measurement, `fastopt kernels` or `fastopt epochs`: from records to files. It never runs anything."""
