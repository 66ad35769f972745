-- Instances of a range of numbers that have every property, starting from those that have one of them:
-- [[instance_no, version, [kpi_no of each live score]], …], a portion. ?2, ?3 that property; ?4 all of them; ?5 the live KPIs
SELECT json_group_array(json_array(instance_no, version, json(kpis))) AS j FROM (
  SELECT x.instance_no, x.version,
    (SELECT json_group_array(s.kpi_no) FROM scores s WHERE s.type_no = x.type_no AND s.instance_no = x.instance_no
       AND s.kpi_no IN (SELECT value FROM json_each(?5))) AS kpis
  FROM instance_properties d
  CROSS JOIN instances x ON x.type_no = d.type_no AND x.instance_no = d.instance_no
  WHERE d.type_no = ?1 AND d.key = ?2 AND d.value = ?3 AND d.instance_no >= ?6 AND d.instance_no < ?7
    AND NOT EXISTS (
      SELECT 1 FROM json_each(?4) j WHERE NOT EXISTS (
        SELECT 1 FROM instance_properties p WHERE p.type_no = d.type_no AND p.key = j.value ->> 0
          AND p.value = j.value ->> 1 AND p.instance_no = d.instance_no))
  ORDER BY d.instance_no LIMIT ?8 OFFSET ?9
)
