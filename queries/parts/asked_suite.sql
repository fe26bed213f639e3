-- On which suite are the trials of each stream asked about?
-- grain: one row per stream
-- suite: that of the stream, own; or, where somebody has said `SET VARIABLE suite = 'vtab'` in this
-- connection (`python -m queries NAME suite=vtab`), that one, whichever stream it is: every answer
-- about results then is of this suite, as far as the trials were measured on it (`measurement`).
CREATE OR REPLACE VIEW asked_suite AS
SELECT stream.name AS stream,
       CASE WHEN getvariable('suite') IS NULL THEN stream.suite
            WHEN getvariable('suite') IN (SELECT suite.name FROM suite)
            THEN getvariable('suite')::VARCHAR
            ELSE error('the variable suite names no suite: ' || getvariable('suite')) END AS suite,
       stream.suite AS own
FROM stream;
