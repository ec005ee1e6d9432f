"""`notary` on SQL ledgers: tables and stored procedures."""
