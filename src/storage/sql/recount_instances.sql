-- One page of instances in the order of their numbers: [[instance_no, version, [kpi_no of each live score], tracked properties], …]
-- ?4 the live KPIs, ?6 the tracked property keys
SELECT json_group_array(json_array(instance_no, version, json(kpis), json(pairs))) AS j FROM (
  SELECT x.instance_no, x.version,
    (SELECT json_group_array(s.kpi_no) FROM scores s WHERE s.type_no = x.type_no AND s.instance_no = x.instance_no
       AND s.kpi_no IN (SELECT value FROM json_each(?4))) AS kpis,
    iif(x.properties = '{}', '[]', (SELECT json_group_array(json_array(p.key, p.value)) FROM json_each(x.properties) p
      WHERE p.key IN (SELECT value FROM json_each(?6)))) AS pairs
  FROM instances x
  WHERE x.type_no = ?1 AND x.instance_no >= ?2 AND x.instance_no < ?3
  ORDER BY x.instance_no LIMIT ?5
)
