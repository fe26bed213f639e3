-- What should run next?
-- grain: one row per trial that sync may start now, best first
-- Of the trials that are `ready`, those that need not wait until another has trained what they have in common.
CREATE OR REPLACE VIEW todo AS
SELECT * EXCLUDE (after)
FROM ready
WHERE after IS NULL
ORDER BY priority DESC, trial;
