-- ?1 [[instance_no, key, value], …]
DELETE FROM instance_properties WHERE (type_no, key, value, instance_no) IN (
  SELECT p.type_no, p.key, p.value, p.instance_no
  FROM json_each(?1) j CROSS JOIN instance_properties p
    ON p.type_no = ?2 AND p.key = j.value ->> 1 AND p.value = j.value ->> 2 AND p.instance_no = j.value ->> 0
)
