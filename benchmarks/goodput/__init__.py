"""Parts of `benchmarks.anvil_goodput`: one contender after another on a fresh anvil, counted on its chain."""
