-- Events that a view can't take in: where a view stands still because of one, and which an operator has told it to
-- pass over. Kept apart from the views' own schemas, which are dropped and swapped with every rebuild.

CREATE SCHEMA views;

-- A view that stands still. The row goes when the view goes on.
CREATE TABLE views.stop (
    view        text        NOT NULL PRIMARY KEY,
    position    bigint      NOT NULL, -- of the event; everything before it is in the view
    stream_type text,                 -- NULL where the ledger has no event at the position
    event_type  text,
    problem     text        NOT NULL, -- no personal data
    since       timestamptz NOT NULL
);

-- An event that a view passes over, live and in every replay, by decision of a person. Never deleted: when a rebuild
-- could take the event in after all, the row says so.
CREATE TABLE views.skip (
    view        text        NOT NULL,
    position    bigint      NOT NULL,
    stream_type text,
    event_type  text,
    problem     text        NOT NULL, -- what the view had stopped at
    reason      text        NOT NULL CHECK (reason <> ''),
    actor       text        NOT NULL, -- who decided
    skipped_at  timestamptz NOT NULL,
    applied_at  timestamptz,          -- when a rebuild took the event in
    PRIMARY KEY (view, position, skipped_at)
);
CREATE UNIQUE INDEX skip_in_force ON views.skip (view, position) WHERE applied_at IS NULL;

GRANT USAGE ON SCHEMA views TO matricule_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON views.stop TO matricule_service;
GRANT SELECT, INSERT, UPDATE (applied_at) ON views.skip TO matricule_service;
