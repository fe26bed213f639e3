-- Which trials that are declared may sync start now?
-- grain: one row per trial that sync may start now, best first
-- Of the trials that are `startable`, those that need not wait until one of their `mates` has
-- trained what they have in common.
CREATE OR REPLACE VIEW todo AS
SELECT * EXCLUDE (created_at)
FROM startable
WHERE trial NOT IN (SELECT mates.trial FROM mates WHERE mates.after IS NOT NULL)
ORDER BY priority DESC, trial;
