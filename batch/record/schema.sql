-- The journal's tables, one block for each version of the file that brings it up to date.

-- name: 1
CREATE TABLE runs (
    run_no INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    stage TEXT NOT NULL,            -- staged, started, finished, ended, purging, purged
    origin TEXT NOT NULL,           -- the Register, normalised
    rehearsal INTEGER NOT NULL,
    input_sha256 TEXT NOT NULL,
    input_rows INTEGER NOT NULL,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    stopped_because TEXT,
    exit_code INTEGER,
    details TEXT NOT NULL           -- JSON: what only the reports ask for
);
CREATE TABLE rows (
    run_no INTEGER NOT NULL,
    row_number INTEGER NOT NULL,
    own_values TEXT NOT NULL,       -- JSON: the input's own columns
    trainee_id TEXT NOT NULL,
    folded_id TEXT NOT NULL,        -- '' until the trainee is matched: joined with nothing, never with others
    defer_date TEXT,                -- NULL: failed a check, never to be sent
    defer_reason TEXT,
    outcome TEXT,                   -- NULL: not settled
    code TEXT,
    message TEXT,
    register_date TEXT,
    settled_at TEXT,
    PRIMARY KEY (run_no, row_number)
) WITHOUT ROWID;
CREATE INDEX rows_by_trainee ON rows (folded_id) WHERE defer_date IS NOT NULL;
CREATE TABLE attempts (
    attempt_id INTEGER PRIMARY KEY,
    run_no INTEGER NOT NULL,
    row_number INTEGER,             -- NULL: asked for the run as a whole
    kind TEXT NOT NULL,             -- defer, read, info
    intended_at REAL NOT NULL,      -- Unix seconds
    answered_at REAL,
    meaning TEXT,                   -- NULL: no answer was written down
    http_status INTEGER,
    request_id TEXT,
    state TEXT,
    register_date TEXT
);
CREATE INDEX attempts_by_row ON attempts (run_no, row_number);
CREATE TABLE forgotten (
    digest TEXT PRIMARY KEY,        -- of Register, trainee and date
    run_id TEXT NOT NULL
) WITHOUT ROWID;

-- name: 2
-- what was known of the trainee: a code of an earlier run's row
ALTER TABLE forgotten ADD COLUMN code TEXT NOT NULL DEFAULT 'deferred_earlier';

-- name: 3
CREATE TABLE reports (              -- the last one written in each place
    run_no INTEGER NOT NULL,
    place TEXT NOT NULL,            -- '': the run's folder; else a folder within it
    tool_version TEXT NOT NULL,
    journal_digest TEXT NOT NULL,   -- of rows and attempts, as they were then
    manifest_sha256 TEXT NOT NULL,
    files TEXT NOT NULL,            -- JSON: SHA-256 by name
    log_size INTEGER NOT NULL,      -- bytes of run.log, which only grows
    predecessors TEXT NOT NULL,     -- JSON: SHA-256 of the manifests before it, oldest first
    PRIMARY KEY (run_no, place)
) WITHOUT ROWID;
CREATE TABLE resumptions (
    run_no INTEGER NOT NULL,
    resumed_at TEXT NOT NULL,
    details TEXT NOT NULL           -- JSON: who, with what, on which terms
);

-- name: 4
ALTER TABLE reports ADD COLUMN digest_format INTEGER NOT NULL DEFAULT 1;
ALTER TABLE reports ADD COLUMN previous_manifest_sha256 TEXT;
ALTER TABLE reports ADD COLUMN resumptions INTEGER;
ALTER TABLE forgotten RENAME TO remembered_deferrals;

-- name: 5
CREATE TABLE reconciliations (      -- later looks at what runs reported
    run_no INTEGER NOT NULL,
    asked_at TEXT NOT NULL,
    counts TEXT NOT NULL            -- JSON: rows by what Register held then
);

-- name: 6
-- JSON: [code, column at fault, message] of each problem of the row; NULL: none, or not known
ALTER TABLE rows ADD COLUMN problems TEXT;
