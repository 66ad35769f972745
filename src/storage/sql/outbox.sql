-- The outbox of a batch of scores: the cells that it touches, those that scores leave among them. Runs before scores are written,
-- and after the instances are: one that lies at its proposed number is new, and need not be looked for by its id.
-- (Its id is compared: numbers of which a batch makes no instance are used up too, and one day they begin again.)
-- ?5 scores: [[use_case_id, kpi_no, set, score, timestamp_ms|null, now_ms, fresh, comment, source, instance_no], …]
-- ?6 instances: [[use_case_id, instance_no, version, created_ms, may_create], …]
-- ?8 instance_no of those whose properties change: all their scores move. ?9 properties not seen before: [[key, value], …]
UPDATE writer_state SET
  batch_no = ?2, batch_epoch = epoch, batch_ms = ?3, next_seq = ?4,
  touched = json_object(
    'cells', (
      SELECT json_group_array(DISTINCT json(cell)) FROM (
        SELECT json_array(
          j.value ->> 1,
          s.timestamp_ms / 900000,
          iif(j.value ->> 2, coalesce(j.value ->> 4, s.timestamp_ms, j.value ->> 5) / 900000, NULL)
        ) AS cell
        FROM json_each(?5) j
        LEFT JOIN instances n ON n.type_no = ?1 AND n.instance_no = j.value ->> 9 AND n.use_case_id = j.value ->> 0
        LEFT JOIN instances x ON x.application_no = ?7
          AND x.use_case_id = iif(n.type_no IS NULL, j.value ->> 0, NULL) AND x.type_no = ?1
        LEFT JOIN scores s ON s.type_no = x.type_no AND s.instance_no = x.instance_no AND s.kpi_no = j.value ->> 1
        UNION ALL
        SELECT json_array(s.kpi_no, s.timestamp_ms / 900000, NULL)
        FROM json_each(?8) j CROSS JOIN scores s ON s.type_no = ?1 AND s.instance_no = j.value
      )
    ),
    'creations', (
      SELECT json_group_array(DISTINCT slot) FROM (
        SELECT coalesce(x.created_ms, j.value ->> 3) / 900000 AS slot
        FROM json_each(?6) j
        LEFT JOIN instances n ON n.type_no = ?1 AND n.instance_no = j.value ->> 1 AND n.use_case_id = j.value ->> 0
        LEFT JOIN instances x ON x.application_no = ?7
          AND x.use_case_id = iif(n.type_no IS NULL, j.value ->> 0, NULL) AND x.type_no = ?1
      )
    ),
    'pairs', json(?9)
  )
WHERE type_no = ?1
