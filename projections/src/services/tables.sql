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
    enabled      boolean NOT NULL
);
