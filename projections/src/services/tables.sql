-- Establishments and relying parties. No personal data.

CREATE TABLE establishment (
    uai      text NOT NULL PRIMARY KEY,
    name     text,
    academie smallint,
    degree   text NOT NULL -- first, second
);

CREATE TABLE relying_party (
    id           uuid    NOT NULL PRIMARY KEY,
    registration jsonb   NOT NULL,
    secret       uuid,             -- vault row of its client secret's hash
    enabled      boolean NOT NULL,
    deregistered boolean NOT NULL
);
-- Which services an establishment's people are shown: those that serve some establishments by these, the others whole.
CREATE INDEX relying_party_serves ON relying_party
    USING gin ((registration -> 'establishments' -> 'only'));
CREATE INDEX relying_party_serves_all ON relying_party (id) WHERE registration -> 'establishments' = '"all"';
