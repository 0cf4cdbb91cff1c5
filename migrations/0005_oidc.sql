-- The OpenID provider's rows: signing keys, requests that wait for a sign-in, authorization codes, revoked tokens.
-- Plain rows changed by check-and-set: none of this is history.

CREATE TYPE service.key_state AS ENUM ('next', 'current', 'retired');

-- Keys that sign tokens; not the key that signs the ledger's checkpoints. Shared by all instances.
CREATE TABLE service.signing_key (
    kid        text              NOT NULL PRIMARY KEY, -- RFC 7638 thumbprint
    algorithm  text              NOT NULL,
    state      service.key_state NOT NULL,
    sealed     bytea             NOT NULL,             -- PKCS #8, sealed by the master key
    created_at timestamptz       NOT NULL,
    current_at timestamptz,                            -- when it began to sign
    retired_at timestamptz,                            -- when it stopped
    expires_at timestamptz,                            -- when it leaves the published set
    CHECK ((state = 'retired') = (retired_at IS NOT NULL AND expires_at IS NOT NULL)),
    CHECK ((state = 'next') = (current_at IS NULL))
);
-- One key signs and one waits, published ahead, for each algorithm.
CREATE UNIQUE INDEX signing_key_current ON service.signing_key (algorithm) WHERE state = 'current';
CREATE UNIQUE INDEX signing_key_next ON service.signing_key (algorithm) WHERE state = 'next';

-- Validated requests that wait for their browser to sign in. Hints that name a person are not kept.
CREATE TABLE service.authorization_request (
    id         uuid        NOT NULL PRIMARY KEY,
    request    json        NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX authorization_request_expiry ON service.authorization_request (expires_at);

-- Authorization codes, by their SHA-256. A used code stays until no token issued on it can be alive: if it comes
-- again, that token is revoked.
CREATE TABLE service.authorization_code (
    hash         bytea       NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32),
    client       uuid        NOT NULL,
    account      uuid        NOT NULL,
    session      uuid        NOT NULL,
    redirect_uri text        NOT NULL,
    challenge    text        NOT NULL, -- S256
    scope        text        NOT NULL,
    nonce        text,
    issued_at    timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    consumed_at  timestamptz,
    access_token uuid,                 -- `jti` of the token issued on it
    delete_after timestamptz NOT NULL,
    CHECK (expires_at <= issued_at + interval '60 seconds'),
    CHECK ((consumed_at IS NULL) = (access_token IS NULL))
);
CREATE INDEX authorization_code_deletion ON service.authorization_code (delete_after);

-- Access tokens that must no longer be accepted, until they would have expired anyway.
CREATE TABLE service.revoked_token (
    jti        uuid        NOT NULL PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX revoked_token_expiry ON service.revoked_token (expires_at);

GRANT USAGE ON TYPE service.key_state TO matricule_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON service.signing_key TO matricule_service;
GRANT SELECT, INSERT, DELETE ON service.authorization_request TO matricule_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON service.authorization_code TO matricule_service;
GRANT SELECT, INSERT, DELETE ON service.revoked_token TO matricule_service;

-- The public name of a session: `sid` in tokens. The cookie's hash stays in its table.
ALTER TABLE service.session ADD COLUMN sid uuid NOT NULL DEFAULT gen_random_uuid();
CREATE UNIQUE INDEX session_sid ON service.session (sid);
