-- How many instances have each property, counted up to ?3: [n, …] in the order of ?2 [[key, value], …]
SELECT json_group_array(n) AS j FROM (
  SELECT (SELECT count(*) FROM (SELECT 1 FROM instance_properties p
            WHERE p.type_no = ?1 AND p.key = j.value ->> 0 AND p.value = j.value ->> 1 LIMIT ?3)) AS n
  FROM json_each(?2) j ORDER BY j.key
)
