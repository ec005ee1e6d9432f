"""Running scenarios: children, trials, the coordinator that turns facts into bundles."""
