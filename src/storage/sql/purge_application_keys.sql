-- Answers kept for the Idempotency-Keys of applications deleted before ?1 that have no types any more, ?2 of them.
DELETE FROM idempotency_keys WHERE (application_no, idempotency_key) IN (
  SELECT i.application_no, i.idempotency_key FROM applications a
  CROSS JOIN idempotency_keys i ON i.application_no = a.application_no
  WHERE a.deleted_ms < ?1 AND NOT EXISTS (SELECT 1 FROM use_case_types t WHERE t.application_no = a.application_no) LIMIT ?2)
