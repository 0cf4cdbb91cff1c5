-- What a request asked for by name (`claims`, OpenID Connect Core §5.5), kept with what it led to.
ALTER TABLE service.authorization_code ADD COLUMN claims jsonb;
ALTER TABLE service.refresh_family ADD COLUMN claims jsonb;

-- A person who ends a service's access finds the codes and tokens that it still holds.
CREATE INDEX authorization_code_account ON service.authorization_code (account, client);

-- Which services a person has signed in to, and what these received, whether they hold anything still or not.
CREATE TABLE service.released (
    account  uuid        NOT NULL,
    client   uuid        NOT NULL,
    scope    text        NOT NULL, -- of the last sign-in
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    PRIMARY KEY (account, client)
);
CREATE INDEX released_expiry ON service.released (last_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON service.released TO matricule_service;
