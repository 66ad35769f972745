SELECT json_group_array(json_array(instance_no, type_no, use_case_id, ?4, version, created_ms, properties)) AS j FROM (
  SELECT * FROM instances x
  WHERE type_no = ?1 AND instance_no < ?2 AND instance_no >= ?9 AND instance_no < ?10
    AND (?5 IS NULL OR created_ms >= ?5) AND (?6 IS NULL OR created_ms < ?6) AND (?7 IS NULL OR version = ?7)
    AND NOT EXISTS (
      SELECT 1 FROM json_each(?8) j WHERE NOT EXISTS (
        SELECT 1 FROM instance_properties p WHERE p.type_no = x.type_no AND p.key = j.value ->> 0
          AND p.value = j.value ->> 1 AND p.instance_no = x.instance_no))
  ORDER BY instance_no DESC LIMIT ?3
)
