-- Answers kept for the Idempotency-Keys of deleted types, ?1 of them.
DELETE FROM idempotency_keys WHERE (application_no, idempotency_key) IN (
  SELECT i.application_no, i.idempotency_key FROM use_case_types t
  CROSS JOIN idempotency_keys i ON i.type_no = t.type_no WHERE t.deleted_ms IS NOT NULL LIMIT ?1)
