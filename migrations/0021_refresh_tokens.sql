-- Refresh tokens: one row for each family, from the sign-in that began it to its end. A token names its family and
-- its generation and carries a keyed hash of both; nothing of it is stored. Rotation counts the generation up by
-- check-and-set, so a token of a former generation shows that somebody else has it.

CREATE TABLE service.refresh_family (
    id               uuid        NOT NULL PRIMARY KEY, -- also the name of the first access token
    client           uuid        NOT NULL,
    account          uuid        NOT NULL,
    credential       uuid        NOT NULL, -- the password in force: another one ends the family
    session          uuid        NOT NULL, -- `sid`
    offline          boolean     NOT NULL, -- whether it outlives the session
    scope            text        NOT NULL,
    authenticated_at timestamptz NOT NULL,
    method           text        NOT NULL,
    jkt              text,                 -- the key it is bound to (RFC 9449), for public clients
    generation       integer     NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL,
    rotated_at       timestamptz NOT NULL, -- when the present generation was issued
    expires_at       timestamptz NOT NULL, -- absolute: nothing moves it
    revoked_at       timestamptz,
    CHECK (expires_at > created_at)
);
CREATE INDEX refresh_family_account ON service.refresh_family (account) WHERE revoked_at IS NULL;
CREATE INDEX refresh_family_expiry ON service.refresh_family (expires_at);

-- What a person has agreed to beyond the sign-in itself: that a service stays connected without them.
CREATE TABLE service.consent (
    account    uuid        NOT NULL,
    client     uuid        NOT NULL,
    scope      text        NOT NULL,
    given_at   timestamptz NOT NULL,
    PRIMARY KEY (account, client)
);

GRANT SELECT, INSERT, DELETE ON service.refresh_family TO matricule_service;
GRANT UPDATE (generation, rotated_at, revoked_at) ON service.refresh_family TO matricule_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON service.consent TO matricule_service;
