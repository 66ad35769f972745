-- Scores of deleted KPIs, ?1 of them. Driven from the few that are deleted: without CROSS JOIN SQLite would walk through all scores.
DELETE FROM scores WHERE (type_no, instance_no, kpi_no) IN (
  SELECT s.type_no, s.instance_no, s.kpi_no FROM kpis k CROSS JOIN scores s ON s.kpi_no = k.kpi_no
  WHERE k.deleted_ms IS NOT NULL LIMIT ?1)
