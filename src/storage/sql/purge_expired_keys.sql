-- Answers kept for Idempotency-Keys since before ?1, ?2 of them.
DELETE FROM idempotency_keys WHERE (application_no, idempotency_key) IN (
  SELECT application_no, idempotency_key FROM idempotency_keys WHERE created_ms < ?1 LIMIT ?2)
