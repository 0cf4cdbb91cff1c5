-- Plain rows of the running service. Here: the record of requests, by which an incident reference leads to what
-- happened. No personal data: no address, no query string, no body.

CREATE SCHEMA IF NOT EXISTS service;
GRANT USAGE ON SCHEMA service TO matricule_service;

CREATE TABLE service.request (
    reference   text        NOT NULL CHECK (reference ~ '^[023456789AFHJKLNQRUWXYZ]{10}$'),
    started_at  timestamptz NOT NULL,
    duration_us bigint      NOT NULL,
    method      text        NOT NULL,
    route       text        NOT NULL, -- the template, e.g. /api/imports/{id}
    status      smallint    NOT NULL,
    account     uuid,                 -- who was signed in
    error_code  text,                 -- stable word, shown to the caller
    cause       text,                 -- internal, never shown to the caller
    commands    uuid[]      NOT NULL DEFAULT '{}'
);
-- Not unique: one in 10^12 pairs of requests share a reference.
CREATE INDEX request_reference ON service.request (reference);
CREATE INDEX request_started ON service.request USING brin (started_at);

GRANT SELECT, INSERT, DELETE ON service.request TO matricule_service;
