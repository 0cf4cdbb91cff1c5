-- The access log: sign-ins, token issues, and who read whose data. Not history of accounts, so not in the ledger; it
-- has a retention of its own, and whole months go at once. Ids only: no name, no address, nothing that was typed.

CREATE SCHEMA access;

-- One row for each access and person it concerns, in partitions of one calendar month (UTC).
CREATE TABLE access.entry (
    at            timestamptz NOT NULL,
    id            uuid        NOT NULL,           -- of the access
    ordinal       integer     NOT NULL DEFAULT 0, -- counts the people it concerns; 0 is there always
    kind          text        NOT NULL CHECK (kind IN ('sign-in', 'token', 'staff-read', 'audit-query', 'lost')),
    what          text        NOT NULL,           -- method of a sign-in, grant of a token, name of a query
    outcome       text        NOT NULL,           -- success, or one word on why not
    actor         text,                           -- as in the ledger's headers; null: nobody proved to be anyone
    subject       uuid,                           -- account, pupil or guardian record concerned
    concerned     integer     NOT NULL DEFAULT 0, -- rows of this access that name somebody
    relying_party uuid,
    origin        bytea CHECK (octet_length(origin) = 32), -- keyed hash of the caller's network
    reference     text,                           -- incident reference of the request
    purpose       text,
    filter        text,
    results       bigint,
    export_hash   bytea CHECK (octet_length(export_hash) = 32), -- SHA-256 of what was handed out
    approved_by   text,
    PRIMARY KEY (at, id, ordinal)
) PARTITION BY RANGE (at);
-- Each list is read by its own index, the latest first.
CREATE INDEX entry_subject ON access.entry (subject, at, id) WHERE subject IS NOT NULL;
CREATE INDEX entry_seen ON access.entry (subject, at, id)
    WHERE subject IS NOT NULL AND kind IN ('staff-read', 'audit-query');
CREATE INDEX entry_actor ON access.entry (actor, at, id) WHERE ordinal = 0 AND actor IS NOT NULL;
CREATE INDEX entry_time ON access.entry (at, id) WHERE ordinal = 0;

-- Partitions are made and dropped by functions that run as the owner: the service itself may only add rows.
-- Makes the partition of a month if it is not there. Several instances may ask at once.
CREATE FUNCTION access.keep_month(moment timestamptz) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    month date := date_trunc('month', moment)::date;
    name  text := 'entry_' || to_char(month, 'YYYY_MM');
BEGIN
    IF to_regclass('access.' || name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('access.keep_month'));
    -- By a query of its own, which sees what was committed while the lock was waited for.
    IF NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'access'::regnamespace AND relname = name) THEN
        EXECUTE format('CREATE TABLE access.%I PARTITION OF access.entry FOR VALUES FROM (%L) TO (%L)',
                       name, month::timestamptz, (month + interval '1 month')::timestamptz);
    END IF;
END $$;

-- Drops the months that ended before a moment, and says how many. The present month and the one before it stay,
-- whatever is asked: who took over the service could otherwise wipe out its traces.
CREATE FUNCTION access.drop_months(before timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    latest date := date_trunc('month', least(before, now() - interval '1 month'))::date;
    partition text;
    dropped integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('access.keep_month'));
    FOR partition IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'access.entry'::regclass AND to_date(substr(c.relname, 7), 'YYYY_MM') < latest
        ORDER BY 1
    LOOP
        EXECUTE format('DROP TABLE access.%I', partition);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;

REVOKE ALL ON FUNCTION access.keep_month(timestamptz), access.drop_months(timestamptz) FROM PUBLIC;
GRANT USAGE ON SCHEMA access TO matricule_service;
GRANT SELECT, INSERT ON access.entry TO matricule_service;
GRANT EXECUTE ON FUNCTION access.keep_month(timestamptz), access.drop_months(timestamptz) TO matricule_service;

-- The month of the installation and the next.
SELECT access.keep_month(now()), access.keep_month(now() + interval '1 month');
