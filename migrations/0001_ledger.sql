-- The ledger: events, the head that orders and proves them, reservations; and the stores beside it whose rows
-- change in the same transactions: subject keys, the vault, the outbox.
--
-- Runs as the owner. The role `matricule_service`, which owns nothing, is made before the migrations run: roles
-- belong to the whole server, and whoever opens the database knows who may make them.

CREATE SCHEMA ledger;
CREATE SCHEMA keys;
CREATE SCHEMA vault;
CREATE SCHEMA outbox;

-- One row per event. `position` is the leaf index in the Merkle tree: gapless, in commit order, from 0.
CREATE TABLE ledger.event (
    position      bigint      NOT NULL PRIMARY KEY,
    stream_type   text        NOT NULL,
    stream_id     text        NOT NULL,
    sequence      bigint      NOT NULL CHECK (sequence > 0),
    event_type    text        NOT NULL,
    event_version smallint    NOT NULL,
    payload       json        NOT NULL, -- json, not jsonb: the leaf commits to these exact bytes
    segments      bytea       NOT NULL, -- personal data, sealed per person; empty where there is none
    recorded_at   timestamptz NOT NULL,
    effective_at  timestamptz NOT NULL,
    actor         text        NOT NULL,
    on_behalf_of  text,
    reason        text        NOT NULL,
    command_id    uuid        NOT NULL,
    reference     text,
    leaf          bytea       NOT NULL CHECK (octet_length(leaf) = 32)
);
CREATE UNIQUE INDEX event_stream ON ledger.event (stream_type, stream_id, sequence);
CREATE INDEX event_command ON ledger.event (command_id);
CREATE INDEX event_reference ON ledger.event (reference) WHERE reference IS NOT NULL;
-- Sealed bytes don't compress: trying costs time on every insert.
ALTER TABLE ledger.event ALTER COLUMN segments SET STORAGE EXTERNAL;

CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger.% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Record what changed as a new event; to erase personal data, destroy the subject''s key.';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.event
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- The single row that every append locks: it orders the batches and holds the tree's state.
CREATE TABLE ledger.head (
    singleton   boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (singleton),
    revision    bigint      NOT NULL, -- one more with every batch, also one without events
    size        bigint      NOT NULL, -- events so far = position of the next one
    root        bytea       NOT NULL CHECK (octet_length(root) = 32),
    frontier    bytea       NOT NULL, -- roots of the perfect subtrees, largest first: 32 bytes per set bit of size
    recorded_at timestamptz NOT NULL  -- of the last event; the next is never earlier
);
-- The root of the empty tree is SHA-256 of nothing (RFC 6962, section 2.1).
INSERT INTO ledger.head (revision, size, root, frontier, recorded_at)
    VALUES (0, 0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', '', '1970-01-01Z');

CREATE FUNCTION ledger.head_only_advances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size < OLD.size OR NEW.revision <= OLD.revision OR NEW.recorded_at < OLD.recorded_at THEN
        RAISE EXCEPTION 'ledger.head only advances' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_advances BEFORE UPDATE ON ledger.head
    FOR EACH ROW EXECUTE FUNCTION ledger.head_only_advances();
CREATE TRIGGER one_row BEFORE INSERT OR DELETE OR TRUNCATE ON ledger.head
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- What must be unique, by the keyed hash of its value, and who holds it.
CREATE TABLE ledger.reservation (
    kind  text  NOT NULL,
    hash  bytea NOT NULL CHECK (octet_length(hash) = 32),
    owner text  NOT NULL,
    PRIMARY KEY (kind, hash)
);
CREATE INDEX reservation_owner ON ledger.reservation (owner, kind);

-- The last number given to a login stem, by keyed hash, so that the n-th homonym does not try n-1 taken logins.
CREATE TABLE ledger.login_counter (
    hash bytea  NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32),
    last bigint NOT NULL
);

-- What postgres-es's PostgresEventRepository reads. Only for reading: rows enter through the writer.
CREATE VIEW ledger.events AS
SELECT stream_type         AS aggregate_type,
       stream_id           AS aggregate_id,
       sequence,
       event_type,
       event_version::text AS event_version,
       payload,
       json_build_object(
           'position',     position::text,
           'recorded_at',  (extract(epoch FROM recorded_at) * 1000000)::bigint::text,
           'effective_at', (extract(epoch FROM effective_at) * 1000000)::bigint::text,
           'actor',        actor,
           'on_behalf_of', coalesce(on_behalf_of, ''),
           'reason',       reason,
           'command_id',   command_id::text,
           'reference',    coalesce(reference, ''),
           'leaf',         encode(leaf, 'hex'),
           -- PostgreSQL breaks base64 into lines
           'segments',     translate(encode(segments, 'base64'), E'\n', '')
       )                   AS metadata
FROM ledger.event;

-- One key per person, wrapped by the master key. A destroyed key leaves its row: the subject stays erased.
CREATE TABLE keys.subject_key (
    subject      uuid        NOT NULL PRIMARY KEY,
    wrapped      bytea,
    created_at   timestamptz NOT NULL,
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

-- Secrets and one-time codes, sealed by the master key; a row goes when it is replaced or used.
CREATE TABLE vault.secret (
    id         uuid        NOT NULL PRIMARY KEY,
    kind       text        NOT NULL,
    body       bytea       NOT NULL,
    attempts   integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    revision   bigint      NOT NULL DEFAULT 1, -- for check-and-set
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
CREATE INDEX secret_expiry ON vault.secret (expires_at) WHERE expires_at IS NOT NULL;

CREATE TYPE outbox.status AS ENUM ('pending', 'sending', 'sent', 'failed', 'uncertain');

-- Messages to send, written with the events that cause them.
CREATE TABLE outbox.message (
    id            uuid          NOT NULL PRIMARY KEY,
    channel       text          NOT NULL,
    body          bytea,        -- sealed by the master key; dropped once the message's fate is settled
    status        outbox.status NOT NULL DEFAULT 'pending',
    command_id    uuid          NOT NULL,
    attempts      integer       NOT NULL DEFAULT 0,
    not_before    timestamptz   NOT NULL,
    not_after     timestamptz,  -- pointless later: a code that has expired
    claimed_until timestamptz,
    last_error    text,         -- a short word of the channel's, no personal data
    created_at    timestamptz   NOT NULL,
    settled_at    timestamptz
);
CREATE INDEX message_due ON outbox.message (channel, not_before) WHERE status = 'pending';
CREATE INDEX message_sending ON outbox.message (claimed_until) WHERE status = 'sending';
CREATE INDEX message_command ON outbox.message (command_id);
CREATE INDEX message_settled ON outbox.message (settled_at) WHERE settled_at IS NOT NULL;

-- Busy queues: keep dead rows few.
ALTER TABLE ledger.head SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE outbox.message SET (autovacuum_vacuum_scale_factor = 0.02);

GRANT USAGE ON SCHEMA ledger, keys, vault, outbox TO matricule_service;
GRANT USAGE ON TYPE outbox.status TO matricule_service;
GRANT SELECT, INSERT ON ledger.event TO matricule_service;
GRANT SELECT ON ledger.events TO matricule_service;
GRANT SELECT, UPDATE ON ledger.head TO matricule_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.reservation TO matricule_service;
GRANT SELECT, INSERT, UPDATE ON ledger.login_counter TO matricule_service;
GRANT SELECT, INSERT, UPDATE ON keys.subject_key TO matricule_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON vault.secret TO matricule_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox.message TO matricule_service;
