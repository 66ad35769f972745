-- Instances of deleted types that hold no score any more, ?1 of them.
DELETE FROM instances WHERE (type_no, instance_no) IN (
  SELECT x.type_no, x.instance_no FROM use_case_types t CROSS JOIN instances x ON x.type_no = t.type_no
  WHERE t.deleted_ms IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM scores s WHERE s.type_no = x.type_no AND s.instance_no = x.instance_no) LIMIT ?1)
