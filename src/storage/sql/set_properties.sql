-- ?1 [[instance_no, properties], …]
UPDATE instances SET properties = j.value ->> 1
FROM json_each(?1) j WHERE instances.type_no = ?2 AND instances.instance_no = j.value ->> 0
