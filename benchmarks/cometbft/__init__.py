"""Parts of `benchmarks/cometbft_goodput.py`."""
