CREATE TABLE IF NOT EXISTS smallbank_customers (
    customer INTEGER PRIMARY KEY,
    checking BIGINT NOT NULL,
    savings BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS smallbank_counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
