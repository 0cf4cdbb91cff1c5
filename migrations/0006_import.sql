-- Where imports stand. The ledger has what they brought; these rows only let an interrupted run go on where it
-- stopped, and keep what is told of single records until someone has read it.

CREATE SCHEMA IF NOT EXISTS service;
GRANT USAGE ON SCHEMA service TO matricule_service;

CREATE TABLE service.import_run (
    import        uuid        NOT NULL PRIMARY KEY,
    establishment text        NOT NULL,
    stage         text        NOT NULL, -- guardians, pupils, held, absent, done
    ordinal       bigint      NOT NULL, -- records of the stage that are in
    pupils        bigint      NOT NULL DEFAULT 0,
    guardians     bigint      NOT NULL DEFAULT 0,
    refused       bigint      NOT NULL DEFAULT 0,
    held          bigint      NOT NULL DEFAULT 0,
    changed       bigint      NOT NULL DEFAULT 0,
    departed      bigint      NOT NULL DEFAULT 0,
    updated_at    timestamptz NOT NULL
);

-- A record that was refused alone, or went in with a remark. No personal data: where it stands, not what it says.
CREATE TABLE service.import_remark (
    import uuid   NOT NULL REFERENCES service.import_run ON DELETE CASCADE,
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    kind   text   NOT NULL, -- refused, notice
    file   text   NOT NULL,
    line   bigint NOT NULL,
    record text   NOT NULL,
    reason text   NOT NULL,
    PRIMARY KEY (import, number)
);

-- Files received over the API, and what became of them.
CREATE TABLE service.import_request (
    id          uuid        NOT NULL PRIMARY KEY,
    state       text        NOT NULL, -- received, running, done, refused
    options     json        NOT NULL,
    outcome     json,
    received_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX import_request_open ON service.import_request (received_at) WHERE finished_at IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON service.import_run, service.import_remark, service.import_request
    TO matricule_service;
