-- A use case type as its object needs it: [name, application_no, type_version, deleted]
SELECT json_array(name, application_no, type_version, deleted_ms IS NOT NULL) AS j
FROM use_case_types WHERE type_no = ?1 AND object_name = ?2
