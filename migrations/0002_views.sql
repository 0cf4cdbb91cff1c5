-- The schemas of the views. Their tables are not here: each projection makes its own from
-- `projections/src/<name>/tables.sql`, the same file when it first starts, when a new version of the program wants
-- other columns, and when it is rebuilt beside the live tables. Views hold nothing that the ledger could not give
-- again, so the service's role may make and drop tables in these schemas, and nowhere else.

CREATE SCHEMA view_people;
CREATE SCHEMA view_accounts;
CREATE SCHEMA view_services;
CREATE SCHEMA view_audit;
CREATE SCHEMA rebuild_view_people;
CREATE SCHEMA rebuild_view_accounts;
CREATE SCHEMA rebuild_view_services;
CREATE SCHEMA rebuild_view_audit;

GRANT USAGE, CREATE ON SCHEMA view_people, view_accounts, view_services, view_audit,
    rebuild_view_people, rebuild_view_accounts, rebuild_view_services, rebuild_view_audit
    TO matricule_service;
