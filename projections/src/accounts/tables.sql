-- Accounts, for showing and for claims. Sign-in decides on the aggregate, never on these rows.

CREATE TABLE account (
    id           uuid        NOT NULL PRIMARY KEY,
    holder_kind  text        NOT NULL, -- pupil, guardian
    holder       uuid        NOT NULL, -- for a guardian, the first record
    status       text        NOT NULL, -- open, activated, disabled, closed
    activated    boolean     NOT NULL, -- whether it was ever activated; stays when disabled
    login        text,
    login_erased boolean     NOT NULL,
    must_change  boolean     NOT NULL, -- a provisional password is in force
    opened_at    timestamptz NOT NULL,
    activated_at timestamptz
);
CREATE INDEX account_holder ON account (holder);
CREATE INDEX account_login ON account (login) WHERE login IS NOT NULL;

-- Guardian records that stand behind an account now.
CREATE TABLE account_guardian (
    account     uuid        NOT NULL,
    guardian    uuid        NOT NULL,
    attached_at timestamptz NOT NULL,
    PRIMARY KEY (account, guardian)
);
CREATE INDEX account_guardian_guardian ON account_guardian (guardian, account);

-- What became of each child ever proposed to the account.
CREATE TABLE account_child (
    account uuid        NOT NULL,
    pupil   uuid        NOT NULL,
    status  text        NOT NULL, -- confirmed, reported, detached
    since   timestamptz NOT NULL,
    PRIMARY KEY (account, pupil)
);
CREATE INDEX account_child_pupil ON account_child (pupil, account);
