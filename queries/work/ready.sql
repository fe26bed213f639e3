-- Which trials could start, and which of them let another go first?
-- grain: one row per trial that sync may start, now or after another
-- Those that are `startable`; after: the trial that goes first of its `mates`.
CREATE OR REPLACE VIEW ready AS
SELECT s.* EXCLUDE (created_at), m.after
FROM startable s LEFT JOIN mates m ON m.trial = s.trial
ORDER BY s.priority DESC, s.trial;
