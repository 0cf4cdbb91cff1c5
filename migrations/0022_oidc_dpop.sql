-- The key that the tokens of a code must be bound to (`dpop_jkt`, RFC 9449 §10).
ALTER TABLE service.authorization_code ADD COLUMN jkt text;

-- A pushed authorization request (RFC 9126) waits shortly for its browser, then as long as any other.
GRANT UPDATE (expires_at) ON service.authorization_request TO matricule_service;
