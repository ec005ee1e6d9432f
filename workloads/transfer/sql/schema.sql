CREATE TABLE IF NOT EXISTS transfer_accounts (
    account INTEGER PRIMARY KEY,
    balance BIGINT NOT NULL CHECK (balance >= 0)
);
