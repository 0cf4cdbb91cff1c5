-- What verifies the published checkpoint, and what the log's key says of a recovery.

-- The verifier keys of the log and of the witnesses asked, as the signing instance knows them: for comparing, and to be
-- trusted by nobody who did not get them from their owners.
ALTER TABLE ledger.checkpoint ADD COLUMN keys text[] NOT NULL DEFAULT '{}';

-- The recovery as a note signed by the key of the log that goes on. Recoveries from before this column have none.
ALTER TABLE ledger.recovery ADD COLUMN statement text;
