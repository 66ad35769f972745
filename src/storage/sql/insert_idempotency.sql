-- ?2 [[key, request_hash, status, response, use_case_id|null], …]
INSERT INTO idempotency_keys (application_no, idempotency_key, request_hash, status, response, created_ms, type_no, use_case_id)
SELECT ?1, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, ?3, ?4, j.value ->> 4 FROM json_each(?2) j
WHERE j.value ->> 4 IS NULL OR EXISTS (
  SELECT 1 FROM instances x WHERE x.application_no = ?1 AND x.use_case_id = j.value ->> 4 AND x.type_no = ?4)
-- One that has expired, and was not purged yet, makes room.
ON CONFLICT (application_no, idempotency_key) DO UPDATE SET request_hash = excluded.request_hash, status = excluded.status,
  response = excluded.response, created_ms = excluded.created_ms, type_no = excluded.type_no, use_case_id = excluded.use_case_id
  WHERE idempotency_keys.created_ms <= excluded.created_ms - 24 * 60 * 60 * 1000
