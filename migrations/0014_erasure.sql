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
