-- What the schools say now. Personal data stands here in clear; it goes when its subject is erased, and what was
-- already erased when the row was built is NULL, with `erased` saying so.

CREATE TABLE pupil (
    id          uuid    NOT NULL PRIMARY KEY,
    ine         text,
    family_name text,
    usage_name  text,
    given_names jsonb, -- array of text, in their order
    birth_date  date,
    sex         text,  -- female, male
    erased      boolean NOT NULL
);
CREATE INDEX pupil_birth_date ON pupil (birth_date) WHERE birth_date IS NOT NULL;

CREATE TABLE enrolment (
    pupil         uuid    NOT NULL,
    establishment text    NOT NULL,
    school_year   integer NOT NULL, -- the year it starts in
    entered_on    date,
    class         text,
    mef           text,
    level         text,
    erased        boolean NOT NULL,
    PRIMARY KEY (pupil, establishment)
);
CREATE INDEX enrolment_establishment ON enrolment (establishment, pupil);

CREATE TABLE guardian (
    id          uuid    NOT NULL PRIMARY KEY,
    source_key  text,
    title       text,
    family_name text,
    usage_name  text,
    given_name  text,
    mobile      text, -- E.164
    email       text,
    erased      boolean NOT NULL
);

CREATE TABLE link (
    pupil         uuid     NOT NULL,
    guardian      uuid     NOT NULL,
    establishment text     NOT NULL, -- whose file says so
    level         smallint NOT NULL, -- 1 legal guardian, 2 in charge, 3 contact
    relationship  smallint,          -- CODE_PARENTE
    erased        boolean  NOT NULL,
    PRIMARY KEY (pupil, guardian, establishment)
);
CREATE INDEX link_guardian ON link (guardian, pupil);

-- Links of ONDE files that wait for the school.
CREATE TABLE held_link (
    guardian          uuid    NOT NULL,
    number            integer NOT NULL, -- within the guardian record
    establishment     text    NOT NULL,
    child_family_name text,
    child_given_name  text,
    child_class       text,
    candidates        jsonb   NOT NULL, -- array of pupil ids
    reason            text    NOT NULL, -- ambiguous, no_such_pupil
    erased            boolean NOT NULL,
    PRIMARY KEY (guardian, number)
);
CREATE INDEX held_link_establishment ON held_link (establishment, guardian, number);
