-- Signing in: sessions, activations and recoveries in progress, and the counters that slow guessing down.
--
-- Plain rows of the running service, changed by check-and-set. No personal data: cookies, addresses, numbers and
-- logins stand here as keyed hashes, and whatever must be read again (a mobile, a code) lies sealed in the vault.

-- A signed-in browser. It lives while its row, its account and the password it was opened with all do: replacing
-- the password or disabling the account ends it in the transaction that records so, even if this row outlives it.
CREATE TABLE service.session (
    cookie_hash      bytea       NOT NULL PRIMARY KEY CHECK (octet_length(cookie_hash) = 32),
    account          uuid        NOT NULL,
    credential       uuid        NOT NULL, -- vault row of the password in force when it was opened
    authenticated_at timestamptz NOT NULL,
    method           text        NOT NULL CHECK (method IN ('password', 'sms')),
    seen_at          timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL
);
CREATE INDEX session_account ON service.session (account);
CREATE INDEX session_expiry ON service.session (expires_at);

-- One activation, recovery or forced change in progress in one browser. `account` is null where nobody matched
-- what was typed: such a flow goes through the same statements as any other.
CREATE TABLE service.flow (
    id           uuid        NOT NULL PRIMARY KEY,
    cookie_hash  bytea       NOT NULL UNIQUE CHECK (octet_length(cookie_hash) = 32),
    kind         text        NOT NULL CHECK (kind IN ('activation', 'recovery', 'change')),
    step         text        NOT NULL CHECK (step IN ('code', 'children', 'password')),
    account      uuid,
    credential   uuid,       -- of a forced change: vault row of the provisional password to replace
    contact      uuid,       -- vault row of the mobile that was typed
    code         uuid,       -- vault row of the keyed hash of the code that waits
    message      uuid,       -- the SMS that carries it
    sent_at      timestamptz,
    code_expires_at timestamptz,
    attempts     integer     NOT NULL DEFAULT 0, -- wrong codes; asking for another code does not reset it
    sends        integer     NOT NULL DEFAULT 0,
    wrong_dates  integer     NOT NULL DEFAULT 0,
    confirmed    uuid[]      NOT NULL DEFAULT '{}', -- children whose birth date was given in this flow
    return_to    text,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX flow_expiry ON service.flow (expires_at);
CREATE INDEX flow_account ON service.flow (account) WHERE account IS NOT NULL;

-- How often something was tried, by the keyed hash of who or what. A row counts within one window of time.
CREATE TABLE service.counter (
    name       text        NOT NULL,
    key        bytea       NOT NULL CHECK (octet_length(key) = 32),
    count      integer     NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (name, key)
) WITH (fillfactor = 50);
CREATE INDEX counter_expiry ON service.counter (expires_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON service.session, service.flow, service.counter TO matricule_service;
