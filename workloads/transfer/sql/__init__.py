"""`transfer` on SQL ledgers: tables and stored procedures."""
