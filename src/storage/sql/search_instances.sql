SELECT json_group_array(json_array(instance_no, type_no, use_case_id, ?4, version, created_ms, properties)) AS j FROM (
  SELECT x.* FROM instances i INDEXED BY instances_by_id
  CROSS JOIN instances x ON x.type_no = i.type_no AND x.instance_no = i.instance_no
  WHERE i.application_no = ?2 AND i.use_case_id >= ?11 AND i.use_case_id < ?12
    AND i.type_no = ?1 AND i.instance_no >= ?9 AND i.instance_no < ?10
    AND (?5 IS NULL OR x.created_ms >= ?5) AND (?6 IS NULL OR x.created_ms < ?6) AND (?7 IS NULL OR x.version = ?7)
    AND NOT EXISTS (
      SELECT 1 FROM json_each(?8) j WHERE NOT EXISTS (
        SELECT 1 FROM instance_properties p WHERE p.type_no = x.type_no AND p.key = j.value ->> 0
          AND p.value = j.value ->> 1 AND p.instance_no = x.instance_no))
  ORDER BY i.use_case_id LIMIT ?3
)
