-- A sign-in whose first proof was right and whose second is still due. It opens nothing; it is over after a few minutes
-- and a few wrong codes. Bound to its browser by a cookie of its own.
CREATE TABLE service.second_step (
    cookie_hash bytea       NOT NULL PRIMARY KEY CHECK (octet_length(cookie_hash) = 32),
    account     uuid        NOT NULL,
    credential  uuid        NOT NULL, -- the password that was proved; another one ends the step
    method      text        NOT NULL,
    link        uuid,                 -- the upstream identity that was the first proof, if one was
    upstream    uuid,                 -- vault row: what signing out at its provider needs
    attempts    integer     NOT NULL DEFAULT 0,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX second_step_account ON service.second_step (account);
CREATE INDEX second_step_expiry ON service.second_step (expires_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON service.second_step TO matricule_service;
