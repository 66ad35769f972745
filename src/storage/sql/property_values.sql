-- The values of a property key, by leaps through the index. ?3 how many at most.
WITH RECURSIVE found (value) AS (
  SELECT (SELECT min(p.value) FROM instance_properties p WHERE p.type_no = ?1 AND p.key = ?2)
  UNION ALL
  SELECT (SELECT min(p.value) FROM instance_properties p WHERE p.type_no = ?1 AND p.key = ?2 AND p.value > found.value)
  FROM found WHERE found.value IS NOT NULL LIMIT ?3
)
SELECT json_group_array(value) AS j FROM found WHERE value IS NOT NULL
