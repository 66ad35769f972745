-- As filtered_instances.sql, starting from the instances created in the span of time. ?2 and ?3 are not used.
SELECT json_group_array(json_array(instance_no, version, json(kpis))) AS j FROM (
  SELECT x.instance_no, x.version,
    (SELECT json_group_array(s.kpi_no) FROM scores s WHERE s.type_no = x.type_no AND s.instance_no = x.instance_no
       AND s.kpi_no IN (SELECT value FROM json_each(?5))) AS kpis
  FROM instances x
  WHERE x.type_no = ?1 AND x.instance_no >= ?6 AND x.instance_no < ?7 AND ?2 IS NOT NULL AND ?3 IS NOT NULL
    AND NOT EXISTS (
      SELECT 1 FROM json_each(?4) j WHERE NOT EXISTS (
        SELECT 1 FROM instance_properties p WHERE p.type_no = x.type_no AND p.key = j.value ->> 0
          AND p.value = j.value ->> 1 AND p.instance_no = x.instance_no))
  ORDER BY x.instance_no LIMIT ?8 OFFSET ?9
)
