-- Instances of deleted types that hold no score any more, of the first ?1: those are the first that purge_type_scores.sql empties. The
-- limit comes before the condition, or each portion would look at all that still hold some.
DELETE FROM instances WHERE (type_no, instance_no) IN (
  SELECT found.type_no, found.instance_no FROM (
    SELECT x.type_no, x.instance_no FROM use_case_types t CROSS JOIN instances x ON x.type_no = t.type_no
    WHERE t.deleted_ms IS NOT NULL LIMIT ?1) found
  WHERE NOT EXISTS (SELECT 1 FROM scores s WHERE s.type_no = found.type_no AND s.instance_no = found.instance_no))
