-- How many scores of each KPI lie in a span of time, and how many instances in a range of numbers, counted up to ?7:
-- [scores of the KPI with the most, instances, scores of all]. ?2 the KPIs, ?3 and ?4 the span, ?5 and ?6 the numbers
SELECT json_array(max(n),
  (SELECT count(*) FROM (SELECT 1 FROM instances x WHERE x.type_no = ?1 AND x.instance_no >= ?5 AND x.instance_no < ?6 LIMIT ?7)),
  sum(n)) AS j
FROM (SELECT (SELECT count(*) FROM (SELECT 1 FROM scores s WHERE s.kpi_no = k.value AND s.timestamp_ms >= ?3
  AND s.timestamp_ms < ?4 LIMIT ?7)) AS n FROM json_each(?2) k)
