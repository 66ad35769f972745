SELECT json_group_array(json_array(k.idempotency_key, k.request_hash, k.response)) AS j
FROM json_each(?1) j CROSS JOIN idempotency_keys k
  ON k.application_no = ?2 AND k.idempotency_key = j.value AND k.created_ms > ?3
