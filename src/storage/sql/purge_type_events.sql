-- Events of deleted types, ?1 of them.
DELETE FROM events WHERE (type_no, event_no) IN (
  SELECT e.type_no, e.event_no FROM use_case_types t CROSS JOIN events e ON e.type_no = t.type_no
  WHERE t.deleted_ms IS NOT NULL LIMIT ?1)
