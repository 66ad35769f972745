-- ?1 [[instance_no, properties], …]
UPDATE instances SET properties = (SELECT j.value ->> 1 FROM json_each(?1) j WHERE j.value ->> 0 = instances.instance_no)
WHERE type_no = ?2 AND instance_no IN (SELECT j.value ->> 0 FROM json_each(?1) j)
