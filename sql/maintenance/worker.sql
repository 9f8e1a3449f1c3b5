-- The background worker.
CREATE FUNCTION triage.start_worker() RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'start_worker_wrapper';
COMMENT ON FUNCTION triage.start_worker() IS
    'starts the background worker for this database where pg_triage is not in shared_preload_libraries; false if one '
    'serves it already. It lasts until the server stops, and comes back after a crash';

CREATE FUNCTION triage.stop_worker() RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'stop_worker_wrapper';
COMMENT ON FUNCTION triage.stop_worker() IS
    'ends what triage.start_worker() started; false if there is nothing to end. What the worker is doing is rolled '
    'back, and done later';

CREATE FUNCTION triage.wake_worker() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wake_worker_wrapper';
COMMENT ON FUNCTION triage.wake_worker() IS
    'has the background worker look, at commit, for what is due in this database, instead of after '
    'pg_triage.worker_naptime; decisions do so by themselves';

CREATE FUNCTION triage.worker_status(
        OUT served boolean, OUT preloaded boolean, OUT launcher_pid integer, OUT worker_pid integer,
        OUT last_started_at timestamptz, OUT last_ended_at timestamptz, OUT last_error text, OUT problem text)
    RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'worker_status_wrapper';
COMMENT ON FUNCTION triage.worker_status() IS
    'whether a background worker serves this database (and which process started one, whether with the server), the '
    'one at work now, when the last one began and ended, why it failed if it did, and what to do if there is none';

-- A launcher that found no extension here looks again.
SELECT triage.wake_worker();
