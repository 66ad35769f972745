DELETE FROM scores WHERE (type_no, instance_no, kpi_no) IN (
  SELECT x.type_no, x.instance_no, j.value ->> 1
  FROM json_each(?1) j
  CROSS JOIN instances x ON x.application_no = ?2 AND x.use_case_id = j.value ->> 0 AND x.type_no = ?3
  WHERE NOT (j.value ->> 2)
)
