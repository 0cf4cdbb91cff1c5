-- What the holder of a session is shown of it, and what it was opened with besides the first proof.
ALTER TABLE service.session
    ADD COLUMN began_at timestamptz NOT NULL DEFAULT now(), -- proving again moves authenticated_at, not this
    ADD COLUMN device   text CHECK (length(device) <= 60),  -- browser and system, words of a closed list
    ADD COLUMN second   text CHECK (second IN ('totp', 'passkey', 'recovery-code')); -- second factor, if one was given
-- The tokens of a family say of their sign-in what it was.
ALTER TABLE service.refresh_family ADD COLUMN second text;

-- A waiting authorization request belongs to the browser that took it up first. Where the client wants the person to
-- choose an account, `chosen` is the session they chose to go on with.
ALTER TABLE service.authorization_request
    ADD COLUMN browser bytea CHECK (octet_length(browser) = 32),
    ADD COLUMN chosen  uuid;
GRANT UPDATE (browser, chosen) ON service.authorization_request TO matricule_service;
