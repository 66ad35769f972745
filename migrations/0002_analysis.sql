-- What comparisons are made with: benchmarks of a KPI, and system changes that are no new version.

-- JSON: [{"name", "value"}, …]
ALTER TABLE kpis ADD COLUMN benchmarks TEXT NOT NULL DEFAULT '[]';

-- A new prompt, a new model, a campaign. Written by the type's object only, as definitions are.
CREATE TABLE events (
  type_no     INTEGER NOT NULL,
  event_no    INTEGER NOT NULL,           -- in the order of their making
  event_id    TEXT NOT NULL,
  at_ms       INTEGER NOT NULL,
  title       TEXT NOT NULL,
  description TEXT NOT NULL,
  created_ms  INTEGER NOT NULL,
  PRIMARY KEY (type_no, event_no)
) STRICT, WITHOUT ROWID;
