INSERT INTO instances (type_no, instance_no, application_no, use_case_id, version, created_ms, properties)
SELECT ?3, j.value ->> 1, ?2, j.value ->> 0, j.value ->> 2, j.value ->> 3, '{}'
FROM json_each(?1) j WHERE j.value ->> 4
-- Not for a conflict of instance_no: that must end the batch.
ON CONFLICT (application_no, use_case_id) DO NOTHING
