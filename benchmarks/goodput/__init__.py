"""Parts of `benchmarks.evm_goodput`: one contender after another on a fresh ledger, counted on its chain."""
