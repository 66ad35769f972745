-- ?1 [[instance_no, key, value], …]; an id that turned out to exist under another type leaves nothing behind.
INSERT INTO instance_properties (type_no, key, value, instance_no)
SELECT ?2, j.value ->> 1, j.value ->> 2, j.value ->> 0 FROM json_each(?1) j
WHERE EXISTS (SELECT 1 FROM instances x WHERE x.type_no = ?2 AND x.instance_no = j.value ->> 0)
ON CONFLICT DO NOTHING
