-- ?1 [[instance_no, key, value], …]
DELETE FROM instance_properties WHERE (type_no, key, value, instance_no) IN (
  SELECT ?2, j.value ->> 1, j.value ->> 2, j.value ->> 0 FROM json_each(?1) j
)
