CREATE TABLE IF NOT EXISTS notary_anchors (
    document BYTEA PRIMARY KEY,
    account INTEGER NOT NULL,
    anchored_at BIGINT NOT NULL
);
