"""Statistics as pure functions over numpy arrays: percentiles, intervals, differences, drift. No files, no clocks."""
