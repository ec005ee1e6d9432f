"""Words everyone shares: operations, transactions, phases, records, errors, units, clock. Imports nothing of ours."""
