"""A journal as a ledger, and the adapter that lets ledger-bench measure it."""
