SELECT json_group_array(json_array(kpi_no, kpi_id, name, description, kpi_type, goal, direction, unit, bucket_width,
  created_ms, updated_ms, benchmarks)) AS j
FROM (SELECT * FROM kpis WHERE type_no = ?1 AND deleted_ms IS NULL ORDER BY kpi_no)
