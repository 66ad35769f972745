-- Scores of a KPI, in a span of time, of the instances that have every property, starting from those that have one of them:
-- [[timestamp_ms, version, score], …], a portion. ?2, ?3 that property; ?4 all of them: [[key, value], …]
SELECT json_group_array(json_array(timestamp_ms, version, score)) AS j FROM (
  SELECT s.timestamp_ms, x.version, s.score
  FROM instance_properties d
  CROSS JOIN instances x ON x.type_no = d.type_no AND x.instance_no = d.instance_no
  CROSS JOIN scores s ON s.type_no = d.type_no AND s.instance_no = d.instance_no AND s.kpi_no = ?5
  WHERE d.type_no = ?1 AND d.key = ?2 AND d.value = ?3 AND s.timestamp_ms >= ?6 AND s.timestamp_ms < ?7
    AND NOT EXISTS (
      SELECT 1 FROM json_each(?4) j WHERE NOT EXISTS (
        SELECT 1 FROM instance_properties p WHERE p.type_no = d.type_no AND p.key = j.value ->> 0
          AND p.value = j.value ->> 1 AND p.instance_no = d.instance_no))
  ORDER BY d.instance_no LIMIT ?8 OFFSET ?9
)
