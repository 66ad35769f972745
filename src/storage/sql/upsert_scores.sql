-- A write without a timestamp keeps the one there is, unless the score was cleared earlier in the same batch ("fresh").
-- An instance at its proposed number is one that the batch has just made: it need not be looked for by its id, and has no scores.
INSERT INTO scores (type_no, instance_no, kpi_no, score, timestamp_ms, created_ms, updated_ms, comment, source)
SELECT ?3, coalesce(n.instance_no, x.instance_no), j.value ->> 1, j.value ->> 3,
  coalesce(j.value ->> 4, s.timestamp_ms, j.value ->> 5),
  iif(j.value ->> 6, j.value ->> 5, coalesce(s.created_ms, j.value ->> 5)),
  j.value ->> 5, j.value ->> 7, j.value ->> 8
FROM json_each(?1) j
LEFT JOIN instances n ON n.type_no = ?3 AND n.instance_no = j.value ->> 9 AND n.use_case_id = j.value ->> 0
LEFT JOIN instances x ON x.application_no = ?2
  AND x.use_case_id = iif(n.type_no IS NULL, j.value ->> 0, NULL) AND x.type_no = ?3
LEFT JOIN scores s ON s.type_no = x.type_no AND s.instance_no = x.instance_no AND s.kpi_no = j.value ->> 1
WHERE j.value ->> 2 AND coalesce(n.instance_no, x.instance_no) IS NOT NULL
ON CONFLICT (type_no, instance_no, kpi_no) DO UPDATE SET
  score = excluded.score, timestamp_ms = excluded.timestamp_ms, created_ms = excluded.created_ms,
  updated_ms = excluded.updated_ms, comment = excluded.comment, source = excluded.source
