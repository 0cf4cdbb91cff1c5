-- Keys by the time they were made: a replay takes those of a page of events at a stroke.
CREATE INDEX subject_key_created ON keys.subject_key (created_at);
