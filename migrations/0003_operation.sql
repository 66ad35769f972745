-- What an operator needs: when a key was last used, applications that can be deleted, and answers kept for an Idempotency-Key
-- that go with what they speak of.

-- Days since the Unix epoch, UTC.
ALTER TABLE api_keys ADD COLUMN last_used_day INTEGER;
CREATE INDEX api_keys_by_application ON api_keys (application_no, key_id);

-- A deleted application keeps its row, under a name nobody can give, until everything in it is purged.
ALTER TABLE applications ADD COLUMN deleted_ms INTEGER;

-- Whose answer it is. NULL in rows from before this migration, which are gone after 24 hours.
ALTER TABLE idempotency_keys ADD COLUMN type_no INTEGER;
ALTER TABLE idempotency_keys ADD COLUMN use_case_id TEXT;
CREATE INDEX idempotency_keys_by_type ON idempotency_keys (type_no, use_case_id);
