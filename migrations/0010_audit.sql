-- Questions of auditors that a second person must allow, and digests of accounts' states.

-- What an auditor asked to see in clear or in bulk, and why. The decision is an event of the auditor's stream, which
-- holds the SHA-256 of this row's question and purpose.
CREATE TABLE service.disclosure (
    id           uuid        NOT NULL PRIMARY KEY,
    auditor      uuid        NOT NULL,
    question     text        NOT NULL, -- JSON, these exact bytes
    purpose      text        NOT NULL,
    requested_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL  -- nobody can approve it later
);
CREATE INDEX disclosure_requested ON service.disclosure (requested_at, id);
GRANT SELECT, INSERT, DELETE ON service.disclosure TO matricule_service;

-- Now and then, the digest of what an account's events make of it: the same events that one day make something else
-- show that the code has changed, not the events. No personal value goes into it.
CREATE TABLE ledger.state_digest (
    account  uuid        NOT NULL,
    position bigint      NOT NULL, -- the last event that counts
    digest   bytea       NOT NULL CHECK (octet_length(digest) = 32), -- SHA-256 of the canonical state
    seal     bytea       NOT NULL CHECK (octet_length(seal) = 32),   -- keyed hash of the row, so that it can't be changed unseen
    program  text        NOT NULL, -- version of the program that made it
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (account, position)
);
CREATE INDEX state_digest_taken ON ledger.state_digest (taken_at);
GRANT SELECT, INSERT, DELETE ON ledger.state_digest TO matricule_service;

-- Up to where events have been looked at for accounts that need a new digest.
CREATE TABLE ledger.state_digest_cursor (
    singleton boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (singleton),
    next      bigint  NOT NULL
);
INSERT INTO ledger.state_digest_cursor (next) VALUES (0);
GRANT SELECT, UPDATE ON ledger.state_digest_cursor TO matricule_service;
