-- The tables a check may read. `loaded_*` are Arrow tables of one incident (load.py). Role comes from the
-- seal: `incident` or `reference`. Times and durations are nanoseconds.

CREATE TABLE artifacts AS SELECT * FROM loaded_artifacts;

CREATE TABLE events AS
SELECT e.*, a.role FROM loaded_events e LEFT JOIN artifacts a ON a.sha256 = e.artifact_sha256;

CREATE TABLE series AS
SELECT s.*, a.role FROM loaded_series s LEFT JOIN artifacts a ON a.sha256 = s.artifact_sha256;

CREATE TABLE samples AS SELECT * FROM loaded_samples;

-- One row per sample of a measurement of a component: instances pooled, counters as rates per second.
-- `measure` is what the same measurement of the incident and of the reference share.
CREATE TABLE measures AS SELECT * FROM loaded_measures;

-- Every span once. `peer`: whom an outbound span called. `entry`: work enters the service here. `origin`: on a
-- failing span without a failing child, the component whose work failed: the callee of a call, else the service.
-- `origin_caller`: the caller too, where the call got no answer, so that it may never have left the caller.
CREATE TABLE spans AS SELECT * FROM loaded_spans;

-- Calls between components, also to those that send no spans of their own (seen through the caller alone).
CREATE VIEW calls AS
SELECT event_id, role, time_ns, end_time_ns, duration_ns, service AS caller, peer AS callee, operation, failed,
       http_status, trace_id
FROM spans WHERE outbound AND peer IS NOT NULL
UNION ALL
SELECT event_id, role, time_ns, end_time_ns, duration_ns, parent_service, service, operation, failed,
       http_status, trace_id
FROM spans WHERE entry AND parent_service <> service AND NOT parent_outbound;

CREATE VIEW logs AS
SELECT event_id, role, time_ns, service, host, severity, message, mask_id, trace_id, attributes
FROM events WHERE kind = 'log';

CREATE VIEW alerts AS
SELECT event_id, role, time_ns, end_time_ns, service, severity_raw, message, attributes
FROM events WHERE kind = 'alert';

CREATE VIEW changes AS
SELECT event_id, role, time_ns, service, attributes['change.kind'] AS change_kind, message AS summary, attributes
FROM events WHERE kind = 'change';
