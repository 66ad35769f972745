-- All live scores of instances whose properties change: [[place in the list of instances, kpi_no, score, timestamp_ms], …]
-- ?1 [[place, instance_no], …], ?3 the live KPIs
SELECT json_group_array(json_array(j.value ->> 0, s.kpi_no, s.score, s.timestamp_ms)) AS j
FROM json_each(?1) j CROSS JOIN scores s ON s.type_no = ?2 AND s.instance_no = j.value ->> 1
  AND s.kpi_no IN (SELECT value FROM json_each(?3))
