-- All that a purge writes (purge.py).

-- name: remember
INSERT OR IGNORE INTO remembered_deferrals (digest, run_id, code) VALUES (?, ?, ?);

-- name: delete_rows
DELETE FROM rows WHERE run_no = ?;

-- name: delete_attempts
DELETE FROM attempts WHERE run_no = ?;

-- name: delete_resumptions
DELETE FROM resumptions WHERE run_no = ?;

-- name: begin_purging
UPDATE runs SET stage = 'purging', details = json_patch(details, ?) WHERE run_no = ?;

-- name: end_purging
UPDATE runs SET stage = 'purged' WHERE stage = 'purging';
