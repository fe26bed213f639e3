-- Which trials that are declared may sync start now?
-- grain: one row per trial, or measurement of one, that sync may start now, best first
-- Of the trials that are `startable`, those that need not wait until one of their `mates` has
-- trained what they have in common; the trials that are trained again (`retraining`); and the
-- measurements that are `measurable`. measures: the suite that is measured, without training;
-- NULL: the trial trains. retrains: as in `retraining`; NULL: the trial is not done yet.
CREATE OR REPLACE VIEW todo AS
SELECT * EXCLUDE (created_at), NULL::VARCHAR AS measures, NULL::INTEGER AS retrains
FROM startable
WHERE trial NOT IN (SELECT mates.trial FROM mates WHERE mates.after IS NOT NULL)
UNION ALL
SELECT * EXCLUDE (retrains, live, over), NULL::VARCHAR, retrains
FROM retraining
WHERE NOT live AND NOT over
UNION ALL
SELECT * EXCLUDE (created_at, missing), NULL::INTEGER
FROM measurable
ORDER BY priority DESC, trial, measures NULLS FIRST;
