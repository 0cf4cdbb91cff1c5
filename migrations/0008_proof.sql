-- What is published of the tree, and what is remembered of it.

-- One row for each full tile of 256 hashes: its root, which is one hash of a tile of the level above. The hashes of
-- level 0 are the leaves, in ledger.event. Follows from the leaves, so it is never changed.
CREATE TABLE ledger.tile (
    level  smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    number bigint   NOT NULL CHECK (number >= 0),
    root   bytea    NOT NULL CHECK (octet_length(root) = 32),
    PRIMARY KEY (level, number)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.tile
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- The published checkpoint, with its cosignatures. There is none before the first.
CREATE TABLE ledger.checkpoint (
    singleton  boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (singleton),
    generation bigint      NOT NULL CHECK (generation > 0), -- one more with each recovery: another origin
    size       bigint      NOT NULL,
    note       text        NOT NULL,
    signed_at  timestamptz NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE FUNCTION ledger.checkpoint_only_advances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.generation, NEW.size) < (OLD.generation, OLD.size) THEN
        RAISE EXCEPTION 'ledger.checkpoint only advances' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_advances BEFORE UPDATE ON ledger.checkpoint
    FOR EACH ROW EXECUTE FUNCTION ledger.checkpoint_only_advances();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- A checkpoint of each day, with its RFC 3161 timestamp where an authority is configured.
CREATE TABLE ledger.daily_checkpoint (
    day    date   NOT NULL PRIMARY KEY, -- UTC
    size   bigint NOT NULL,
    note   text   NOT NULL,
    token  bytea, -- DER TimeStampToken over SHA-256 of the note
    tsa    text   -- where it came from
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.daily_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- Each time somebody decided that checkpoints go on although the tree does not extend the kept one.
CREATE TABLE ledger.recovery (
    generation  bigint      NOT NULL PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    reason      text        NOT NULL,
    kept        text        NOT NULL, -- the note that the tree does not extend, as it was found
    size        bigint      NOT NULL, -- of the tree that goes on
    root        bytea       NOT NULL CHECK (octet_length(root) = 32)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.recovery
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

GRANT SELECT, INSERT ON ledger.tile, ledger.daily_checkpoint, ledger.recovery TO matricule_service;
GRANT SELECT, INSERT, UPDATE ON ledger.checkpoint TO matricule_service;
