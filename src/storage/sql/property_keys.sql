-- The property keys of a type, by leaps through the index: ["channel", "model", …]. ?2 how many at most.
WITH RECURSIVE found (key) AS (
  SELECT (SELECT min(p.key) FROM instance_properties p WHERE p.type_no = ?1)
  UNION ALL
  SELECT (SELECT min(p.key) FROM instance_properties p WHERE p.type_no = ?1 AND p.key > found.key) FROM found
  WHERE found.key IS NOT NULL LIMIT ?2
)
SELECT json_group_array(key) AS j FROM found WHERE key IS NOT NULL
