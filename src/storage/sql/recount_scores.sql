-- One page of a KPI's scores in the order of time: [[timestamp_ms, instance_no, version, score, tracked properties], …]
-- ?7 the tracked property keys
SELECT json_group_array(json_array(timestamp_ms, instance_no, version, score, json(pairs))) AS j FROM (
  SELECT s.timestamp_ms, s.instance_no, x.version, s.score,
    iif(x.properties = '{}', '[]', (SELECT json_group_array(json_array(p.key, p.value)) FROM json_each(x.properties) p
      WHERE p.key IN (SELECT value FROM json_each(?7)))) AS pairs
  FROM scores s JOIN instances x ON x.type_no = s.type_no AND x.instance_no = s.instance_no
  WHERE s.kpi_no = ?1 AND s.type_no = ?2
    -- All columns of the index, so that it is entered behind the last score also where many have the same time.
    AND (s.timestamp_ms, s.type_no, s.instance_no) > (?3, ?2, ?4) AND s.timestamp_ms < ?5
  ORDER BY s.timestamp_ms, s.type_no, s.instance_no LIMIT ?6
)
