-- What the batch found of its scores: [[place in the list, score, timestamp_ms], …]. An instance that it has just made has none.
SELECT json_group_array(json_array(j.key, s.score, s.timestamp_ms)) AS j
FROM json_each(?1) j
LEFT JOIN instances n ON n.type_no = ?3 AND n.instance_no = j.value ->> 9 AND n.use_case_id = j.value ->> 0
CROSS JOIN instances x ON x.application_no = ?2
  AND x.use_case_id = iif(n.type_no IS NULL, j.value ->> 0, NULL) AND x.type_no = ?3
CROSS JOIN scores s ON s.type_no = x.type_no AND s.instance_no = x.instance_no AND s.kpi_no = j.value ->> 1
