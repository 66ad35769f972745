-- [[use_case_id, type_no, instance_no, version, created_ms, properties], …] of the ids asked for, under whatever type.
SELECT json_group_array(json_array(x.use_case_id, x.type_no, x.instance_no, x.version, x.created_ms, x.properties)) AS j
FROM json_each(?1) j CROSS JOIN instances x ON x.application_no = ?2 AND x.use_case_id = j.value
