"""The run report and the comparison, made from bundles alone."""
