"""The directory of one run: written, read back, verified. The only bridge between measuring and reporting."""
