-- What the batch finds of its instances: [[place in the list, type_no, version, created_ms, live scores, tracked properties], …]
-- ?3 the kpi_no of every live KPI: scores of a deleted one, not purged yet, do not count. ?4 the tracked property keys.
SELECT json_group_array(json_array(
  j.key, x.type_no, x.version, x.created_ms,
  (SELECT count(*) FROM scores s WHERE s.type_no = x.type_no AND s.instance_no = x.instance_no
     AND s.kpi_no IN (SELECT value FROM json_each(?3))),
  json(iif(x.properties = '{}', '[]', (SELECT json_group_array(json_array(p.key, p.value)) FROM json_each(x.properties) p
     WHERE p.key IN (SELECT value FROM json_each(?4)))))
)) AS j
FROM json_each(?1) j CROSS JOIN instances x ON x.application_no = ?2 AND x.use_case_id = j.value ->> 0
