-- Signing in with identities that other providers vouch for (FranceConnect, desks of the ministries).

-- One visit to a provider, from the click to its end, bound to its browser by a cookie of which only a keyed hash
-- stands here. State, nonce and PKCE verifier are computed from that cookie: nothing secret is stored.
CREATE TABLE service.upstream_visit (
    id          uuid        NOT NULL PRIMARY KEY,
    cookie_hash bytea       NOT NULL UNIQUE CHECK (octet_length(cookie_hash) = 32),
    provider    text        NOT NULL, -- its configured name
    account     uuid,                 -- who is signed in and adds a way in; null: somebody signs in
    return_to   text,
    answered    boolean     NOT NULL DEFAULT false, -- the provider's answer was taken: it is taken once
    identity    uuid,                 -- vault row of who it is, while no account is known for it
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX upstream_visit_expiry ON service.upstream_visit (expires_at);
CREATE INDEX upstream_visit_account ON service.upstream_visit (account) WHERE account IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON service.upstream_visit TO matricule_service;

-- A session that an upstream identity opened ends with its link; what it needs to sign out there too is in the vault.
-- `credential` is nil where no password was in force. The program knows the methods; no list of them here.
ALTER TABLE service.session
    ADD COLUMN link uuid,
    ADD COLUMN upstream uuid; -- vault row: provider and ID token
ALTER TABLE service.session DROP CONSTRAINT IF EXISTS session_method_check;
ALTER TABLE service.refresh_family ADD COLUMN link uuid;

-- However such a session ends, what was kept for signing out at its provider goes with it.
CREATE FUNCTION service.session_left_provider() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.upstream IS DISTINCT FROM NEW.upstream THEN
        DELETE FROM vault.secret WHERE id = OLD.upstream;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER session_left_provider AFTER DELETE OR UPDATE OF upstream ON service.session
    FOR EACH ROW WHEN (OLD.upstream IS NOT NULL) EXECUTE FUNCTION service.session_left_provider();
