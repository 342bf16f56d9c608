-- All that is written to the journal while runs are staged, sent, settled and reported (journal.py).

-- name: last_attempt_id
SELECT coalesce(max(attempt_id), 0) FROM attempts;

-- name: stage
INSERT INTO runs (run_id, stage, origin, rehearsal, input_sha256, input_rows, started_at, details)
VALUES (?, 'staged', ?, ?, ?, ?, ?, ?);

-- name: add_row
INSERT INTO rows (run_no, row_number, own_values, trainee_id, folded_id, defer_date, defer_reason,
    outcome, code, message, settled_at, problems)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_problem
UPDATE rows SET outcome = 'unprocessable',
    code = CASE WHEN code IS NULL OR code IN (SELECT value FROM json_each(?7)) THEN ?1
        ELSE code END,
    message = CASE WHEN code IN (SELECT value FROM json_each(?7)) THEN ?2 || ' ' || message
        ELSE trim(coalesce(message, '') || ' ' || ?2) END,
    settled_at = ?3, defer_date = NULL,
    problems = json_insert(coalesce(problems, '[]'), '$[#]', json_array(?1, ?4, ?2))
WHERE run_no = ?5 AND row_number = ?6;

-- name: note_problem
UPDATE rows SET problems = json_array(json_array(?, ?, ?)) WHERE run_no = ? AND row_number = ?;

-- name: settle
UPDATE rows SET outcome = ?, code = ?, message = ?, register_date = ?, settled_at = ?
WHERE run_no = ? AND row_number = ?;

-- name: describe
UPDATE runs SET input_rows = ?, input_sha256 = ?, details = json_patch(details, ?)
WHERE run_no = ?;

-- name: note
UPDATE runs SET details = json_patch(details, ?) WHERE run_no = ?;

-- name: note_match
UPDATE rows SET trainee_id = ?, folded_id = ? WHERE run_no = ? AND row_number = ?;

-- name: asked_by
SELECT origin, intended_at FROM requests JOIN runs USING (run_no)
WHERE run_no = ? AND was_sent AND NOT rehearsal;

-- name: discard_rows
DELETE FROM rows WHERE run_no = ?;

-- name: discard_attempts
DELETE FROM attempts WHERE run_no = ?;

-- name: discard_run
DELETE FROM runs WHERE run_no = ?;

-- name: staged
SELECT run_no FROM runs WHERE stage = 'staged';

-- name: start
UPDATE runs SET stage = 'started' WHERE run_no = ?;

-- name: end
UPDATE runs SET stage = 'ended' WHERE run_no = ?;

-- name: note_report
INSERT OR REPLACE INTO reports (run_no, place, tool_version, journal_digest, digest_format,
    manifest_sha256, files, log_size, predecessors, previous_manifest_sha256, resumptions)
VALUES (?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: note_resumption
INSERT INTO resumptions (run_no, resumed_at, details)
SELECT run_no, ?2, json_patch(?3,
    json_object('stopped_at', finished_at, 'stopped_because', stopped_because))
FROM runs WHERE run_no = ?1;

-- name: note_reconciliation
INSERT INTO reconciliations (run_no, asked_at, counts) VALUES (?, ?, ?);

-- name: note_cut_off
UPDATE runs SET exit_code = ?, stopped_because = ?, finished_at = ?,
    stage = iif(stage = 'started' AND ? IS NULL, 'finished', stage)
WHERE run_no = ?;

-- name: intend
INSERT INTO attempts (attempt_id, run_no, row_number, kind, intended_at) VALUES (?, ?, ?, ?, ?);

-- name: answer
UPDATE attempts SET answered_at = ?, meaning = ?, http_status = ?, request_id = ?, state = ?,
    register_date = ?
WHERE attempt_id = ?;

-- name: pending
SELECT row_number, trainee_id, defer_date, defer_reason,
    EXISTS (SELECT 1 FROM open_requests o JOIN runs m ON m.run_no = r.run_no
        WHERE o.folded_id = r.folded_id AND r.folded_id <> '' AND o.origin = m.origin
            AND (o.run_no = m.run_no OR NOT (o.rehearsal OR m.rehearsal)))
FROM rows r
WHERE run_no = ? AND row_number > ? AND outcome IS NULL ORDER BY row_number LIMIT ?;

-- name: finish
UPDATE runs SET finished_at = ?, exit_code = ?, stopped_because = ?,
    stage = iif(EXISTS (SELECT 1 FROM rows r
        WHERE r.run_no = runs.run_no AND r.outcome = 'unresolved'), 'started', 'finished')
WHERE run_no = ?;

-- name: end_for_good
UPDATE runs SET stage = 'ended', finished_at = ?, exit_code = ?, stopped_because = ?
WHERE run_no = ?;

-- name: settle_the_rest
UPDATE rows AS r SET settled_at = ?, (outcome, code, message) = (
    SELECT CASE WHEN NOT max(a.is_in_doubt) AND max(a.was_refused) THEN 'unprocessable'
            ELSE 'unresolved' END,
        CASE WHEN max(a.is_in_doubt) THEN ? WHEN max(a.was_refused) THEN ? ELSE ? END,
        CASE WHEN max(a.is_in_doubt) THEN ? WHEN max(a.was_refused) THEN ?
            WHEN max(a.may_count) THEN ? ELSE ? END
    FROM requests a
    WHERE a.run_no = r.run_no AND a.row_number = r.row_number AND a.kind = 'defer')
WHERE run_no = ? AND outcome IS NULL;

-- name: reopen_rows
UPDATE rows SET outcome = NULL, code = NULL, message = NULL, settled_at = NULL
WHERE run_no = ? AND outcome = 'unresolved';

-- name: reopen_run
UPDATE runs SET finished_at = NULL, exit_code = NULL, stopped_because = NULL WHERE run_no = ?;
