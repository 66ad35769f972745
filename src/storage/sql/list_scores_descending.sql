SELECT json_group_array(json_array(kpi_no, kpi_id, name, kpi_type, score, created_ms, updated_ms, timestamp_ms, comment,
  source)) AS j FROM (
  SELECT k.kpi_no, k.kpi_id, k.name, k.kpi_type, s.score, s.created_ms, s.updated_ms, s.timestamp_ms, s.comment, s.source
  FROM scores s JOIN kpis k ON k.kpi_no = s.kpi_no AND k.deleted_ms IS NULL
  WHERE s.type_no = ?1 AND s.instance_no = ?2 AND s.kpi_no < ?3
    AND (?4 IS NULL OR k.name = ?4) AND (?5 IS NULL OR k.kpi_id = ?5)
  ORDER BY s.kpi_no DESC LIMIT ?6
)
