-- Master keys that were in force once, by name: none of them is taken for a new one; and when the last rotation ended.
ALTER TABLE keys.master_key
    ADD COLUMN retired    text[] NOT NULL DEFAULT '{}',
    ADD COLUMN rotated_at timestamptz;

-- A row: this database was restored from the ledger's half of a backup alone. It proves what was recorded and when,
-- opens nothing, and takes no events any more.
CREATE TABLE ledger.archive (
    singleton   boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (singleton),
    backup      text        NOT NULL, -- the folder it was restored from
    restored_at timestamptz NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.archive
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
GRANT SELECT ON ledger.archive TO matricule_service;

CREATE FUNCTION ledger.refuse_in_archive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'this ledger is an archive without keys: nothing is recorded in it any more'
        USING ERRCODE = 'insufficient_privilege';
END $$;
