-- A person who takes away what is kept of them leaves a trace of it, like anybody who reads.
ALTER TABLE access.entry DROP CONSTRAINT entry_kind_check;
ALTER TABLE access.entry ADD CONSTRAINT entry_kind_check
    CHECK (kind IN ('sign-in', 'token', 'staff-read', 'audit-query', 'own-read', 'lost'));
