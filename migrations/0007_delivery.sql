-- Delivery: who sends is woken by each new message; the demo's inbox.

CREATE FUNCTION outbox.announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox_queued', '');
    RETURN NULL;
END $$;
CREATE TRIGGER queued AFTER INSERT ON outbox.message FOR EACH STATEMENT EXECUTE FUNCTION outbox.announce();

-- What failed lately is looked up by operators.
CREATE INDEX message_unsent ON outbox.message (settled_at) WHERE status IN ('failed', 'uncertain');

-- What would have been sent, in clear: filled where `demo.inbox` is set, and only there.
CREATE TABLE service.demo_message (
    id        uuid        NOT NULL PRIMARY KEY,
    number    bigint      NOT NULL GENERATED ALWAYS AS IDENTITY, -- the page's order
    channel   text        NOT NULL,
    recipient text        NOT NULL,
    language  text        NOT NULL,
    subject   text,
    body      text        NOT NULL,
    sent_at   timestamptz NOT NULL
);
CREATE INDEX demo_message_number ON service.demo_message (number);
GRANT SELECT, INSERT, DELETE ON service.demo_message TO matricule_service;
