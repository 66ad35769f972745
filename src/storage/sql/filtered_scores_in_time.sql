-- As filtered_scores.sql, starting from the scores in the span of time. ?4 the properties, ?2 and ?3 are not used.
SELECT json_group_array(json_array(timestamp_ms, version, score)) AS j FROM (
  SELECT s.timestamp_ms, x.version, s.score
  FROM scores s CROSS JOIN instances x ON x.type_no = s.type_no AND x.instance_no = s.instance_no
  WHERE s.kpi_no = ?5 AND s.type_no = ?1 AND s.timestamp_ms >= ?6 AND s.timestamp_ms < ?7 AND ?2 IS NOT NULL AND ?3 IS NOT NULL
    AND NOT EXISTS (
      SELECT 1 FROM json_each(?4) j WHERE NOT EXISTS (
        SELECT 1 FROM instance_properties p WHERE p.type_no = s.type_no AND p.key = j.value ->> 0
          AND p.value = j.value ->> 1 AND p.instance_no = s.instance_no))
  ORDER BY s.timestamp_ms, s.instance_no LIMIT ?8 OFFSET ?9
)
