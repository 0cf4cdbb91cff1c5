-- Names of things that may be used once: client assertions (RFC 7523 §3, `jti`) and DPoP proofs (RFC 9449 §11.1), by
-- their SHA-256, until they have expired anyway. The primary key is the check: of two inserts one fails.
CREATE TABLE service.once (
    hash       bytea       NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32),
    expires_at timestamptz NOT NULL
);
CREATE INDEX once_expiry ON service.once (expires_at);

GRANT SELECT, INSERT, DELETE ON service.once TO matricule_service;
