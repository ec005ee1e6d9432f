CREATE TABLE IF NOT EXISTS transfer_accounts (
    account INTEGER PRIMARY KEY,
    balance BIGINT NOT NULL CHECK (balance >= 0)
);
CREATE TABLE IF NOT EXISTS transfer_opening (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
