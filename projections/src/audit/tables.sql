-- Which events are about whom: the way from a person or thing to its history. Ids only.

CREATE TABLE timeline (
    entity   text   NOT NULL, -- id of an account, pupil, guardian record, establishment or relying party
    position bigint NOT NULL,
    PRIMARY KEY (entity, position)
);

-- Which pages of the ledger, of 256 events each, hold an event that bears a mark: the way from a filter to the few
-- pages worth reading. Coarse on purpose: an import's thousands of events leave a handful of rows.
CREATE TABLE mark (
    mark  smallint NOT NULL, -- 0 event type, 1 establishment, 2 actor, 3 on behalf of, 4 day of effect (UTC)
    value text     NOT NULL,
    page  bigint   NOT NULL, -- position / 256
    PRIMARY KEY (mark, value, page)
);

CREATE TABLE import_run (
    import        uuid        NOT NULL PRIMARY KEY,
    establishment text        NOT NULL,
    format        text        NOT NULL, -- siecle, onde
    school_year   integer     NOT NULL,
    exported_at   timestamp   NOT NULL, -- the school's local time
    started_at    timestamptz NOT NULL,
    completed_at  timestamptz,
    pupils        bigint,
    guardians     bigint,
    refused       bigint,
    held          bigint,
    changed       bigint
);
CREATE INDEX import_run_establishment ON import_run (establishment, started_at, import);
