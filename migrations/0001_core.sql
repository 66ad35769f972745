-- The record of truth. Every row belongs to an application, directly or through its use case type.
-- Times are milliseconds since the Unix epoch, UTC. Numbers called *_no are internal keys and never leave the service.
-- Migrations only go forward: a later file changes what an earlier one made.

CREATE TABLE applications (
  application_no INTEGER PRIMARY KEY,
  application_id TEXT NOT NULL UNIQUE,
  name           TEXT NOT NULL,
  created_ms     INTEGER NOT NULL
) STRICT;

-- ROOT_API_KEY is admin of this one.
INSERT INTO applications (application_no, application_id, name, created_ms) VALUES (1, 'default', 'default', 0);

-- Only the SHA-256 of a key is stored; the key itself is shown once, when it is made.
CREATE TABLE api_keys (
  key_hash       TEXT PRIMARY KEY,
  key_id         TEXT NOT NULL UNIQUE,
  application_no INTEGER NOT NULL REFERENCES applications (application_no),
  name           TEXT NOT NULL,
  role           TEXT NOT NULL CHECK (role IN ('read', 'ingest', 'editor', 'admin')),
  created_ms     INTEGER NOT NULL,
  expires_ms     INTEGER,
  revoked_ms     INTEGER
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: the number of a deleted type is never given out again, so nothing of the old type can show up in a new one.
-- A deleted type keeps its row until its data are purged; its name is free at once (the index below is partial).
CREATE TABLE use_case_types (
  type_no         INTEGER PRIMARY KEY AUTOINCREMENT,
  application_no  INTEGER NOT NULL REFERENCES applications (application_no),
  name            TEXT NOT NULL,
  description     TEXT NOT NULL,
  logging_enabled INTEGER NOT NULL,
  type_version    INTEGER NOT NULL,
  object_name     TEXT NOT NULL UNIQUE, -- the Durable Object that owns this type
  created_ms      INTEGER NOT NULL,
  updated_ms      INTEGER NOT NULL,
  deleted_ms      INTEGER
) STRICT;
CREATE UNIQUE INDEX use_case_types_live ON use_case_types (application_no, name) WHERE deleted_ms IS NULL;

CREATE TABLE type_versions (
  type_no    INTEGER NOT NULL REFERENCES use_case_types (type_no),
  version    INTEGER NOT NULL,
  started_ms INTEGER NOT NULL,
  PRIMARY KEY (type_no, version)
) STRICT, WITHOUT ROWID;

-- One row a type: who may write (epoch), and the outbox of the last batch. A batch takes effect only under the current
-- epoch and right after the batch before it; it leaves here, in its own transaction, which aggregate cells it touched.
-- One row is enough: an object sends a batch only when the one before it is durably in its aggregates.
CREATE TABLE writer_state (
  type_no     INTEGER PRIMARY KEY REFERENCES use_case_types (type_no),
  epoch       INTEGER NOT NULL,
  batch_no    INTEGER NOT NULL,
  batch_epoch INTEGER NOT NULL,           -- the epoch under which that batch was sent
  batch_ms    INTEGER NOT NULL,
  next_seq    INTEGER NOT NULL,           -- the next instance's sequence number
  touched     TEXT NOT NULL               -- JSON, see storage/writer.rs
) STRICT;

-- AUTOINCREMENT for the same reason as above. A deleted KPI keeps its row until its scores are purged.
CREATE TABLE kpis (
  kpi_no       INTEGER PRIMARY KEY AUTOINCREMENT,
  type_no      INTEGER NOT NULL REFERENCES use_case_types (type_no),
  kpi_id       TEXT NOT NULL,
  name         TEXT NOT NULL,
  description  TEXT NOT NULL,
  kpi_type     TEXT NOT NULL CHECK (kpi_type IN ('boolean', 'number', 'percentage', 'likert5', 'likert7', 'likert10')),
  goal         REAL NOT NULL,
  direction    TEXT NOT NULL CHECK (direction IN ('higher_is_better', 'lower_is_better')),
  unit         TEXT,
  bucket_width REAL,
  created_ms   INTEGER NOT NULL,
  updated_ms   INTEGER NOT NULL,
  deleted_ms   INTEGER
) STRICT;
CREATE UNIQUE INDEX kpis_live_name ON kpis (type_no, name) WHERE deleted_ms IS NULL;
CREATE UNIQUE INDEX kpis_live_id ON kpis (type_no, kpi_id) WHERE deleted_ms IS NULL;

-- instance_no = (15-minute slot of created_ms) * 2^30 + sequence number within the type. So instances lie in the order of
-- their creation, a range of instance_no is a range of creation slots, and no index on created_ms is needed.
-- Rows written for a new instance: this one and its entry in the unique index.
-- No foreign key to use_case_types here and below: the check would cost a read on every score, and the only writer of these
-- rows is the type's object, under the epoch.
CREATE TABLE instances (
  type_no        INTEGER NOT NULL,
  instance_no    INTEGER NOT NULL,
  application_no INTEGER NOT NULL,
  use_case_id    TEXT NOT NULL,
  version        INTEGER NOT NULL,
  created_ms     INTEGER NOT NULL,
  properties     TEXT NOT NULL,           -- JSON object; instance_properties is its index
  PRIMARY KEY (type_no, instance_no)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX instances_by_id ON instances (application_no, use_case_id);

CREATE TABLE instance_properties (
  type_no     INTEGER NOT NULL,
  key         TEXT NOT NULL,
  value       TEXT NOT NULL,
  instance_no INTEGER NOT NULL,
  PRIMARY KEY (type_no, key, value, instance_no)
) STRICT, WITHOUT ROWID;

-- One score per instance and KPI. The key keeps an instance's scores together (reviewed counts); the index serves the
-- recount of a KPI's time slots. Rows written for a score: this one and its entry in the index.
CREATE TABLE scores (
  type_no      INTEGER NOT NULL,
  instance_no  INTEGER NOT NULL,
  kpi_no       INTEGER NOT NULL,
  score        REAL NOT NULL,
  timestamp_ms INTEGER NOT NULL,          -- when the thing measured happened
  created_ms   INTEGER NOT NULL,
  updated_ms   INTEGER NOT NULL,
  comment      TEXT,
  source       TEXT,
  PRIMARY KEY (type_no, instance_no, kpi_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX scores_by_time ON scores (kpi_no, timestamp_ms);

-- The first answer to a POST that carried an Idempotency-Key, kept for 24 hours.
CREATE TABLE idempotency_keys (
  application_no INTEGER NOT NULL,
  idempotency_key TEXT NOT NULL,
  request_hash   TEXT NOT NULL,
  status         INTEGER NOT NULL,
  response       TEXT NOT NULL,
  created_ms     INTEGER NOT NULL,
  PRIMARY KEY (application_no, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_ms);

-- What the scheduled jobs have done, so that they can resume and be repeated safely.
CREATE TABLE job_state (
  job        TEXT PRIMARY KEY,
  state      TEXT NOT NULL,
  updated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
