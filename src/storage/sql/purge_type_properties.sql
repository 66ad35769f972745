-- The index of properties of deleted types, ?1 rows of it.
DELETE FROM instance_properties WHERE (type_no, key, value, instance_no) IN (
  SELECT p.type_no, p.key, p.value, p.instance_no FROM use_case_types t
  CROSS JOIN instance_properties p ON p.type_no = t.type_no WHERE t.deleted_ms IS NOT NULL LIMIT ?1)
