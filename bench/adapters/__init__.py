"""One adapter per ledger family; each speaks its protocol and knows nothing of load, measurement or reports."""
