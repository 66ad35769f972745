-- What the batch found of its instances: [[place in the list, type_no, version, created_ms, live scores, tracked properties], …]
-- Those at their proposed numbers it has just made itself.
-- ?3 the kpi_no of every live KPI: scores of a deleted one, not purged yet, do not count. ?4 the tracked property keys. ?5 type_no.
SELECT json_group_array(json_array(
  j.key, x.type_no, x.version, x.created_ms,
  (SELECT count(*) FROM scores s WHERE s.type_no = x.type_no AND s.instance_no = x.instance_no
     AND s.kpi_no IN (SELECT value FROM json_each(?3))),
  json(iif(x.properties = '{}', '[]', (SELECT json_group_array(json_array(p.key, p.value)) FROM json_each(x.properties) p
     WHERE p.key IN (SELECT value FROM json_each(?4)))))
)) AS j
FROM json_each(?1) j
LEFT JOIN instances n ON n.type_no = ?5 AND n.instance_no = j.value ->> 1 AND n.use_case_id = j.value ->> 0
CROSS JOIN instances x ON x.application_no = ?2
  AND x.use_case_id = iif(n.type_no IS NULL, j.value ->> 0, NULL)
