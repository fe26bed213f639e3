-- What did sharing save, and what does each study train in common?
-- grain: one row per study
-- trunks: how many trainings are distinct (`trunk`) of so many trials. Of what the trials of the
-- study hold by now: charged: training as each trial is charged for it (no merging, no evaluation),
-- as if it had been alone; done: what was truly trained, the rest was taken over from another trial
-- (cost.shared); done_share = done / charged. Seconds taken over are those that the other one took.
CREATE OR REPLACE VIEW sharing AS
WITH
spent AS (
    SELECT c.trial, sum(c.held_flops) AS charged_flops, sum(c.done_flops) AS done_flops, sum(c.held_s) AS charged_s, sum(c.done_s) AS done_s
    FROM costs c
    WHERE c.phase NOT IN ('evaluate', 'merge') AND c.held_flops IS NOT NULL
    GROUP BY c.trial
)
SELECT coalesce(t.study, '(none)') AS study, count(*) AS trials, count(DISTINCT k.trunk) AS trunks, count(s.trial) AS begun,
       coalesce(sum(s.charged_flops), 0) / 1e15 AS charged_pflops, coalesce(sum(s.done_flops), 0) / 1e15 AS done_pflops,
       coalesce(sum(s.done_flops), 0) / nullif(sum(s.charged_flops), 0) AS done_share,
       coalesce(sum(s.charged_s), 0) / 3600 AS charged_hours, coalesce(sum(s.done_s), 0) / 3600 AS done_hours
FROM trial t JOIN trunk k ON k.trial = t.id LEFT JOIN spent s ON s.trial = t.id
GROUP BY coalesce(t.study, '(none)')
ORDER BY study;
