-- Erasure: how far what follows an erasure has been carried out, and the days on which retention was looked after.

-- The events that destroy a key, up to which rows beside the ledger (sessions, messages, codes) have been purged.
CREATE TABLE service.erasure_progress (
    singleton boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (singleton),
    next      bigint  NOT NULL -- position from which erasing events are still to be followed up
);
-- Before this there were no erasing events.
INSERT INTO service.erasure_progress (next) SELECT size FROM ledger.head;

-- One row for each day (UTC) on which people past their retention were looked for.
CREATE TABLE service.retention_day (
    day         date        NOT NULL PRIMARY KEY,
    finished_at timestamptz NOT NULL,
    erased      bigint      NOT NULL
);

GRANT SELECT, UPDATE ON service.erasure_progress TO matricule_service;
GRANT SELECT, INSERT, DELETE ON service.retention_day TO matricule_service;

-- The master key in force, by a name that tells nothing of it; and during a rotation the other one.
CREATE TABLE keys.master_key (
    singleton  boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (singleton),
    sealing    text        NOT NULL, -- name of the key that seals
    also       text,                 -- the other key of a rotation under way
    switched   boolean     NOT NULL DEFAULT false, -- whether `sealing` is the new one already
    changed_at timestamptz NOT NULL
);
-- Who uses the keys, while a rotation is under way: nobody may be left behind.
CREATE TABLE keys.master_key_user (
    instance uuid        NOT NULL PRIMARY KEY,
    has_both boolean     NOT NULL,
    sealing  text        NOT NULL,
    seen_at  timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON keys.master_key TO matricule_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON keys.master_key_user TO matricule_service;
