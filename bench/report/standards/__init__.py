"""Pages that report the metrics a published source names: what it asks for, what was observed, what was not."""
