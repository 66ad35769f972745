DELETE FROM instances WHERE (type_no, instance_no) IN (
  SELECT x.type_no, x.instance_no FROM json_each(?1) j
  CROSS JOIN instances x ON x.application_no = ?2 AND x.use_case_id = j.value
  CROSS JOIN use_case_types t ON t.type_no = x.type_no AND t.deleted_ms IS NOT NULL
)
