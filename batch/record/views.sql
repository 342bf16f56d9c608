-- What every connection to the journal sees besides its tables. All of it is temporary, so that a
-- read-only journal has it too, and a journal of an earlier version looks like one of today.

-- name: tables
CREATE TEMP TABLE codes (            -- from batch.codes
    code TEXT PRIMARY KEY,
    outcome TEXT NOT NULL,
    attention TEXT NOT NULL,
    later_runs TEXT                  -- the code that a later run gives the same deferral, unasked
) WITHOUT ROWID;
CREATE TEMP TABLE doubts (           -- meanings after which an unsettled row is read before sending
    meaning TEXT PRIMARY KEY
) WITHOUT ROWID;

-- name: views
CREATE TEMP VIEW requests AS         -- a request without a meaning may have arrived
SELECT *,
    meaning IS NULL OR meaning IN (SELECT meaning FROM doubts) AS is_in_doubt,
    meaning IS NULL OR meaning <> 'never_left' AS was_sent,
    meaning IN ('refused', 'state_refused') AS was_refused,
    kind = 'defer' AND (meaning IS NULL OR meaning NOT IN ('throttled', 'never_left')) AS may_count
FROM attempts;

CREATE TEMP VIEW open_requests AS    -- deferrals in doubt, of rows that are not settled for good
SELECT e.folded_id, x.run_no, x.origin, x.rehearsal
FROM rows e
JOIN runs x ON x.run_no = e.run_no
JOIN requests a ON a.run_no = e.run_no AND a.row_number = e.row_number
WHERE e.defer_date IS NOT NULL AND a.kind = 'defer' AND a.is_in_doubt
    AND (e.outcome IS NULL OR e.outcome = 'unresolved' OR e.code IN
        (SELECT code FROM codes WHERE outcome = 'succeeded' AND later_runs IS NULL));

CREATE TEMP VIEW reported_rows AS    -- rows as the reports have them: the fields of RowRecord
SELECT run_no, row_number, own_values AS "values", trainee_id, defer_date, defer_reason,
    coalesce(outcome, 'unresolved') AS outcome, code, coalesce(message, '') AS message,
    (SELECT a.http_status FROM requests a WHERE a.run_no = r.run_no
        AND a.row_number = r.row_number AND a.may_count ORDER BY a.attempt_id DESC LIMIT 1)
        AS http_status,
    (SELECT count(*) FROM requests a WHERE a.run_no = r.run_no
        AND a.row_number = r.row_number AND a.may_count) AS attempts,
    register_date, settled_at
FROM rows r;

-- name: until_version_2
CREATE TEMP VIEW reports AS
SELECT 0 AS run_no, '' AS place, '' AS tool_version, '' AS journal_digest, 1 AS digest_format,
    '' AS manifest_sha256, '{}' AS files, 0 AS log_size, '[]' AS predecessors,
    NULL AS previous_manifest_sha256, NULL AS resumptions
WHERE 0;
CREATE TEMP VIEW resumptions AS
SELECT 0 AS rowid, 0 AS run_no, '' AS resumed_at, '{}' AS details WHERE 0;

-- name: version_3
CREATE TEMP VIEW reports AS
SELECT *, 1 AS digest_format, NULL AS previous_manifest_sha256, NULL AS resumptions
FROM main.reports;

-- name: until_version_4
CREATE TEMP VIEW reconciliations AS
SELECT 0 AS rowid, 0 AS run_no, '' AS asked_at, '{}' AS counts WHERE 0;
