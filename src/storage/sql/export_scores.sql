-- A page of a KPI's scores with their instances, in the order of time: [[row, …], place, timestamp_ms, instance_no, seen].
-- At most ?8 scores behind (?3, ?4) are looked at ("seen"), and of these as many as hold no more than ?9 bytes are answered,
-- at least one; "place", timestamp_ms and instance_no are those of the last of them, whether or not it passed the filter
-- ("wanted"). So a page is bounded however long the texts are, and however few scores pass.
-- Texts are fetched only for what is answered: the windows below carry numbers. A KPI's scores are all of one type, and with
-- type_no in the order it is that of the index.
SELECT json_array(
    json_group_array(json_array(p.timestamp_ms, p.instance_no, x.use_case_id, x.version, s.score, s.created_ms, s.updated_ms,
      s.comment, s.source, x.properties)) FILTER (WHERE p.wanted),
    max(p.place), p.timestamp_ms, p.instance_no, p.seen) AS j
FROM (
  SELECT * FROM (
    SELECT timestamp_ms, instance_no, wanted, row_number() OVER w AS place, count(*) OVER () AS seen,
      sum(iif(wanted, bytes, 0)) OVER w AS running
    FROM (
      SELECT s.timestamp_ms, s.instance_no,
        -- Numbers and punctuation, and each text as JSON writes it.
        130 + octet_length(x.use_case_id) + octet_length(json_quote(s.comment)) + octet_length(json_quote(s.source))
          + octet_length(json_quote(x.properties)) AS bytes,
        (?6 IS NULL OR x.version = ?6) AND NOT EXISTS (
          SELECT 1 FROM json_each(?7) j WHERE NOT EXISTS (
            SELECT 1 FROM instance_properties p WHERE p.type_no = x.type_no AND p.key = j.value ->> 0
              AND p.value = j.value ->> 1 AND p.instance_no = x.instance_no)) AS wanted
      FROM scores s CROSS JOIN instances x ON x.type_no = s.type_no AND x.instance_no = s.instance_no
      WHERE s.kpi_no = ?1 AND (s.timestamp_ms, s.type_no, s.instance_no) > (?3, ?2, ?4) AND s.timestamp_ms < ?5
      ORDER BY s.timestamp_ms, s.type_no, s.instance_no LIMIT ?8
    ) WINDOW w AS (ORDER BY timestamp_ms, instance_no ROWS UNBOUNDED PRECEDING)
  ) WHERE running <= ?9 OR place = 1
) p
CROSS JOIN scores s ON s.type_no = ?2 AND s.instance_no = p.instance_no AND s.kpi_no = ?1
CROSS JOIN instances x ON x.type_no = ?2 AND x.instance_no = p.instance_no
