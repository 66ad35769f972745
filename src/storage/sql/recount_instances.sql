-- Instances created in a range of slots, by slot and version: [[slot, version, kpi_no, count], …], where a kpi_no of 0 is
-- all instances and -1 those that hold any live score. ?4 the live KPIs.
SELECT json_group_array(json_array(slot, version, kpi_no, n)) AS j FROM (
  SELECT instance_no >> 30 AS slot, version, 0 AS kpi_no, count(*) AS n
  FROM instances WHERE type_no = ?1 AND instance_no >= ?2 AND instance_no < ?3 GROUP BY 1, 2
  UNION ALL
  SELECT x.instance_no >> 30, x.version, -1, count(*)
  FROM instances x WHERE x.type_no = ?1 AND x.instance_no >= ?2 AND x.instance_no < ?3
    AND EXISTS (SELECT 1 FROM scores s WHERE s.type_no = x.type_no AND s.instance_no = x.instance_no
      AND s.kpi_no IN (SELECT value FROM json_each(?4)))
  GROUP BY 1, 2
  UNION ALL
  SELECT s.instance_no >> 30, x.version, s.kpi_no, count(*)
  FROM scores s JOIN instances x ON x.type_no = s.type_no AND x.instance_no = s.instance_no
  WHERE s.type_no = ?1 AND s.instance_no >= ?2 AND s.instance_no < ?3
    AND s.kpi_no IN (SELECT value FROM json_each(?4))
  GROUP BY 1, 2, 3
)
