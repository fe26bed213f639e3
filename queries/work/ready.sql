-- Which trials could start, and which of them let another go first?
-- grain: one row per trial that sync may start, now or after another
-- Those that are `startable`; after: the trial that goes first of its `mates`.
CREATE OR REPLACE VIEW ready AS
SELECT startable.* EXCLUDE (created_at), mates.after
FROM startable LEFT JOIN mates ON mates.trial = startable.trial
ORDER BY startable.priority DESC, startable.trial;
