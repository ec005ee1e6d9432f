"""From rows, blocks and statuses to counts, rates, latencies and a verdict. Reads spool files, writes none."""
