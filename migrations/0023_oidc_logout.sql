-- Which relying parties a session has signed in to, and what they are still to be told of its end.

CREATE TABLE service.session_client (
    sid        uuid        NOT NULL,
    client     uuid        NOT NULL,
    account    uuid        NOT NULL,
    since      timestamptz NOT NULL,
    PRIMARY KEY (sid, client)
);

-- An outbox of its own: posting a logout twice harms nobody, so it knows no uncertain state.
CREATE TABLE service.logout (
    id         uuid        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
    sid        uuid        NOT NULL,
    client     uuid        NOT NULL,
    account    uuid        NOT NULL,
    queued_at  timestamptz NOT NULL DEFAULT now(),
    attempts   integer     NOT NULL DEFAULT 0,
    next_at    timestamptz            -- null: at once
);
CREATE INDEX logout_due ON service.logout (next_at NULLS FIRST);

-- However a session ends – signed out, replaced, reset, swept – its row goes, and in the same transaction what its
-- relying parties must hear is queued.
CREATE FUNCTION service.session_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH ended AS (DELETE FROM service.session_client WHERE sid = OLD.sid RETURNING sid, client, account)
    INSERT INTO service.logout (sid, client, account) SELECT sid, client, account FROM ended;
    RETURN NULL;
END $$;
CREATE TRIGGER session_ended AFTER DELETE ON service.session
    FOR EACH ROW EXECUTE FUNCTION service.session_ended();

GRANT SELECT, INSERT, UPDATE, DELETE ON service.session_client, service.logout TO matricule_service;
