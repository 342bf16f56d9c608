-- All that is read from the journal (ledger.py).

-- name: run_number
SELECT run_no FROM runs WHERE run_id = ?;

-- name: run_ids
SELECT run_id FROM runs;

-- name: run
SELECT run_id, rehearsal, input_sha256, input_rows, started_at, finished_at, stopped_because,
    exit_code, stage, details
FROM runs WHERE run_no = ?;

-- name: runs
SELECT run_id, rehearsal, input_sha256, input_rows, started_at, finished_at, stopped_because,
    exit_code, stage, details
FROM runs WHERE stage <> 'staged' ORDER BY started_at DESC, run_no DESC;

-- name: stage_of
SELECT stage FROM runs WHERE run_no = ?;

-- name: unfinished_with_sends
SELECT run_no, run_id FROM runs
WHERE stage = 'started' AND origin = ? AND input_sha256 = ? AND NOT rehearsal
    AND EXISTS (SELECT 1 FROM requests a WHERE a.run_no = runs.run_no AND a.may_count)
ORDER BY run_no DESC;

-- name: has_sent
SELECT EXISTS (SELECT 1 FROM requests WHERE run_no = ? AND may_count);

-- name: unsettled
SELECT count(*) FROM rows WHERE run_no = ? AND coalesce(outcome, 'unresolved') = 'unresolved';

-- name: held_back
SELECT code, count(*) FROM rows
WHERE run_no = ? AND outcome IS NOT NULL AND outcome <> 'unresolved'
GROUP BY code ORDER BY code;

-- name: to_look_up
SELECT row_number, own_values, trainee_id, defer_date, defer_reason,
    EXISTS (SELECT 1 FROM open_requests o JOIN runs m ON m.run_no = r.run_no
        WHERE o.folded_id = r.folded_id AND r.folded_id <> '' AND o.origin = m.origin
            AND (o.run_no = m.run_no OR NOT (o.rehearsal OR m.rehearsal)))
FROM rows r
WHERE run_no = ? AND coalesce(outcome, 'unresolved') = 'unresolved' AND defer_date IS NOT NULL
ORDER BY row_number;

-- name: open_rows
SELECT row_number FROM rows r
WHERE run_no = ? AND coalesce(outcome, 'unresolved') = 'unresolved'
    AND EXISTS (SELECT 1 FROM open_requests o JOIN runs m ON m.run_no = r.run_no
        WHERE o.folded_id = r.folded_id AND r.folded_id <> '' AND o.origin = m.origin
            AND (o.run_no = m.run_no OR NOT (o.rehearsal OR m.rehearsal)));

-- name: asked
SELECT row_number, own_values, trainee_id, folded_id, defer_date, defer_reason FROM rows
WHERE run_no = ? AND defer_date IS NOT NULL ORDER BY row_number;

-- name: unsent
SELECT row_number, own_values, trainee_id, folded_id, defer_date, defer_reason FROM rows
WHERE run_no = ? AND coalesce(outcome, 'unresolved') = 'unresolved' AND defer_date IS NOT NULL
ORDER BY row_number;

-- The words that a run's rows and attempts hold, which a program must know.
-- name: words
SELECT 'row', outcome, code FROM rows WHERE run_no = ?1 GROUP BY outcome, code
UNION ALL
SELECT 'attempt', kind, meaning FROM attempts WHERE run_no = ?1 GROUP BY kind, meaning;

-- name: damage
PRAGMA integrity_check(1);

-- name: origin
SELECT origin FROM runs WHERE run_no = ?;

-- Requests behind the last deferral: questions, by which nothing is changed.
-- name: asked_last
SELECT count(*) FROM attempts WHERE run_no = ?1 AND attempt_id >
    (SELECT coalesce(max(attempt_id), 0) FROM attempts WHERE run_no = ?1 AND kind = 'defer');

-- name: in_doubt
SELECT row_number, trainee_id, defer_date, defer_reason FROM rows
WHERE run_no = ? AND code = ? ORDER BY row_number;

-- Rows whose trainee a later run, begun after theirs, sent for or dealt with; and whether a request
-- of their own may have arrived.
-- name: superseded
SELECT r.row_number, max(x.run_id), EXISTS (SELECT 1 FROM requests a WHERE a.run_no = r.run_no
        AND a.row_number = r.row_number AND a.kind = 'defer' AND a.is_in_doubt)
FROM rows r
JOIN runs m ON m.run_no = r.run_no
JOIN rows e ON e.folded_id = r.folded_id AND r.folded_id <> '' AND e.defer_date IS NOT NULL
JOIN runs x ON x.run_no = e.run_no AND x.origin = m.origin AND x.run_no > m.run_no
    AND NOT x.rehearsal
WHERE r.run_no = ? AND NOT m.rehearsal AND r.defer_date IS NOT NULL
    AND coalesce(r.outcome, 'unresolved') = 'unresolved'
    AND (e.outcome = 'succeeded' OR EXISTS (SELECT 1 FROM requests a
        WHERE a.run_no = e.run_no AND a.row_number = e.row_number AND a.may_count))
GROUP BY r.row_number;

-- name: answered
SELECT row_number, trainee_id, defer_date, defer_reason, outcome
FROM rows r
WHERE run_no = ? AND EXISTS (SELECT 1 FROM requests a WHERE a.run_no = r.run_no
        AND a.row_number = r.row_number AND a.may_count)
    AND (outcome IN ('succeeded', 'not_found') OR code = ?)
    AND code NOT IN (SELECT code FROM codes WHERE outcome = 'succeeded' AND later_runs IS NULL)
ORDER BY row_number;

-- name: succeeded
SELECT row_number, own_values, trainee_id, defer_date, defer_reason, code FROM rows
WHERE run_no = ? AND outcome = 'succeeded' ORDER BY row_number;

-- name: last_reconciliation
SELECT asked_at, counts FROM reconciliations WHERE run_no = ? ORDER BY rowid DESC LIMIT 1;

-- name: outcomes
SELECT row_number, outcome, code, settled_at FROM rows
WHERE run_no = ? AND outcome IS NOT NULL ORDER BY row_number;

-- name: trainee_ids
SELECT folded_id FROM rows WHERE run_no = ? AND defer_date IS NOT NULL;

-- name: problems
SELECT r.code, count(*) FROM rows r JOIN codes c ON c.code = r.code
WHERE r.run_no = ? AND c.attention <> 'nothing'
GROUP BY r.code ORDER BY min(r.row_number);

-- name: first_of
SELECT row_number, message FROM rows WHERE run_no = ? AND code = ? ORDER BY row_number LIMIT ?;

-- name: rows
SELECT * FROM reported_rows WHERE run_no = ? ORDER BY row_number;

-- name: rows_of
SELECT * FROM reported_rows WHERE run_no = ? AND outcome = ? ORDER BY row_number;

-- name: rows_with
SELECT * FROM reported_rows WHERE run_no = ?1 AND coalesce(nullif(code, ''), ?3) = ?2
ORDER BY row_number LIMIT ?4;

-- name: problems_of_rows
SELECT row_number, problems FROM rows
WHERE run_no = ? AND problems IS NOT NULL ORDER BY row_number;

-- name: corrected
SELECT json_extract(own_values, ?2), json_extract(own_values, ?3) FROM rows
WHERE run_no = ?1 AND outcome = 'succeeded';

-- name: lines
SELECT row_number, folded_id, code,
    json_extract(own_values, ?2), json_extract(own_values, ?3)
FROM rows WHERE run_no = ?1;

-- name: origins
SELECT DISTINCT x.run_id FROM rows r
JOIN runs x ON x.run_id = json_extract(r.own_values, ?2) AND x.run_no <> ?1
WHERE r.run_no = ?1 ORDER BY x.run_no;

-- name: trainees
SELECT coalesce(outcome, 'unresolved'),
    count(DISTINCT iif(folded_id = '', 'row ' || row_number, folded_id))
FROM rows WHERE run_no = ? GROUP BY 1;

-- name: messages_of
SELECT message, count(*) FROM rows WHERE run_no = ? AND code = ? GROUP BY message
ORDER BY count(*) DESC, min(row_number);

-- name: settled_by_asking
SELECT settled_at FROM rows r
WHERE run_no = ? AND settled_at IS NOT NULL
    AND EXISTS (SELECT 1 FROM attempts a WHERE a.run_no = r.run_no AND a.row_number = r.row_number);

-- name: attempts
SELECT attempt_id, row_number, kind, intended_at, answered_at, meaning, http_status, request_id,
    state, register_date
FROM attempts WHERE run_no = ? ORDER BY attempt_id;

-- name: counts
SELECT code, count(*) FROM rows WHERE run_no = ? GROUP BY code;

-- name: requests
SELECT count(*) FILTER (WHERE was_sent), count(*) FILTER (WHERE meaning = 'throttled'),
    count(*) FILTER (WHERE kind = 'read' AND was_sent),
    count(*) FILTER (WHERE kind = 'preview' AND was_sent),
    count(*) FILTER (WHERE kind = 'final_check' AND was_sent)
FROM requests WHERE run_no = ?;

-- name: sent_since
SELECT intended_at FROM requests JOIN runs USING (run_no)
WHERE origin = ? AND intended_at >= ? AND was_sent ORDER BY intended_at;

-- The four below are digested and never change: reports were noted with what they give.
-- name: digested_run
SELECT run_id, origin, rehearsal, input_sha256, input_rows, started_at, finished_at,
    stopped_because, exit_code, details
FROM runs WHERE run_no = ?;

-- name: digested_resumptions
SELECT resumed_at, details FROM resumptions WHERE run_no = ? ORDER BY rowid;

-- name: digested_rows
SELECT row_number, own_values, trainee_id, folded_id, defer_date, defer_reason, outcome, code,
    message, register_date, settled_at
FROM rows WHERE run_no = ? ORDER BY row_number;

-- name: digested_attempts
SELECT run_no, row_number, kind, intended_at, answered_at, meaning, http_status, request_id, state,
    register_date
FROM attempts WHERE run_no = ? ORDER BY attempt_id;

-- name: reported
SELECT tool_version, journal_digest, digest_format, manifest_sha256, files, log_size, predecessors,
    previous_manifest_sha256, resumptions
FROM reports WHERE run_no = ? AND place = '';

-- name: manifest_before
SELECT manifest_sha256 FROM reports WHERE run_no < ? AND place = '' ORDER BY run_no DESC LIMIT 1;

-- name: resumptions
SELECT resumed_at, details FROM resumptions WHERE run_no = ? ORDER BY rowid;

-- name: deferrals_known
SELECT (SELECT count(*) FROM rows JOIN runs USING (run_no) JOIN codes c USING (code)
        WHERE origin = ?1 AND NOT rehearsal AND c.outcome = 'succeeded' AND c.later_runs <> c.code)
    + (SELECT count(*) FROM remembered_deferrals JOIN runs USING (run_id) JOIN codes c USING (code)
        WHERE origin = ?1 AND c.outcome = 'succeeded');

-- What earlier runs know of a run's unsettled rows; what they deferred comes before what they saw.
-- name: settled_earlier
SELECT r.row_number, c.later_runs, x.run_id, e.register_date, e.defer_date, r.defer_date
FROM rows r
JOIN runs m ON m.run_no = r.run_no
JOIN rows e ON e.folded_id = r.folded_id AND r.folded_id <> '' AND e.defer_date IS NOT NULL
JOIN runs x ON x.run_no = e.run_no AND x.origin = m.origin AND x.run_no <> m.run_no
    AND NOT x.rehearsal
JOIN codes c ON c.code = e.code AND c.later_runs IS NOT NULL
WHERE r.run_no = ? AND coalesce(r.outcome, 'unresolved') = 'unresolved'
    AND r.defer_date IS NOT NULL
ORDER BY r.row_number, c.outcome <> 'succeeded', x.run_no;

-- name: sent_in_doubt
SELECT DISTINCT row_number FROM requests WHERE run_no = ? AND kind = 'defer' AND is_in_doubt;

-- name: remembers_any
SELECT EXISTS (SELECT 1 FROM remembered_deferrals);

-- name: of_one_trainee
SELECT row_number, trainee_id, defer_date, defer_reason FROM rows r
WHERE run_no = ? AND coalesce(outcome, 'unresolved') = 'unresolved' AND defer_date IS NOT NULL
    AND folded_id <> '' AND EXISTS (SELECT 1 FROM rows o
        WHERE o.folded_id = r.folded_id AND o.run_no = r.run_no AND o.row_number <> r.row_number
            AND coalesce(o.outcome, 'unresolved') = 'unresolved' AND o.defer_date IS NOT NULL)
ORDER BY row_number;

-- name: unsettled_deferrals
SELECT row_number, folded_id, defer_date FROM rows
WHERE run_no = ? AND coalesce(outcome, 'unresolved') = 'unresolved' AND defer_date IS NOT NULL
    AND folded_id <> ''
ORDER BY row_number;

-- name: remembered
SELECT code, run_id FROM remembered_deferrals WHERE digest = ?;

-- name: to_remember
SELECT r.folded_id, r.defer_date, r.register_date, c.later_runs
FROM rows r JOIN codes c ON c.code = r.code
WHERE r.run_no = ? AND r.defer_date IS NOT NULL AND c.later_runs IS NOT NULL;

-- A run keeps its doubts for good, whether it was ended so or Register answered about somebody else:
-- once they are old, no request is on its way.
-- name: purgeable
SELECT run_id FROM runs
WHERE started_at < ? AND stage IN ('finished', 'ended')
    AND NOT EXISTS (SELECT 1 FROM rows r
        JOIN requests a ON a.run_no = r.run_no AND a.row_number = r.row_number
        WHERE r.run_no = runs.run_no AND a.kind = 'defer' AND a.is_in_doubt AND a.intended_at >= ?
            AND (r.outcome IS NULL OR r.outcome = 'unresolved' OR r.code IN
                (SELECT code FROM codes WHERE outcome = 'succeeded' AND later_runs IS NULL)));

-- name: half_purged
SELECT count(*) FROM runs WHERE stage = 'purging';
