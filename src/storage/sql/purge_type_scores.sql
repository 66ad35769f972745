-- Scores of deleted types, ?1 of them.
DELETE FROM scores WHERE (type_no, instance_no, kpi_no) IN (
  SELECT s.type_no, s.instance_no, s.kpi_no FROM use_case_types t CROSS JOIN scores s ON s.type_no = t.type_no
  WHERE t.deleted_ms IS NOT NULL LIMIT ?1)
