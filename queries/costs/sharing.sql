-- What did sharing save, and what does each study train in common?
-- grain: one row per study
-- trunks: how many trainings are distinct (`trunk`) of so many trials. Of what the trials of the
-- study hold by now: charged: training as each trial is charged for it (no merging, no evaluation),
-- as if it had been alone; done: what was truly trained, the rest was taken over from another trial
-- (cost.shared); done_share = done / charged. Seconds taken over are those that the other one took.
CREATE OR REPLACE VIEW sharing AS
WITH
spent AS (
    SELECT costs.trial, sum(costs.held_flops) AS charged_flops, sum(costs.done_flops) AS done_flops,
           sum(costs.held_s) AS charged_s, sum(costs.done_s) AS done_s
    FROM costs
    WHERE costs.phase NOT IN ('evaluate', 'merge', 'measure') AND costs.held_flops IS NOT NULL
    GROUP BY costs.trial
)
SELECT coalesce(trial.study, '(none)') AS study, count(*) AS trials,
       count(DISTINCT trunk.trunk) AS trunks, count(spent.trial) AS begun,
       coalesce(sum(spent.charged_flops), 0) / 1e15 AS charged_pflops,
       coalesce(sum(spent.done_flops), 0) / 1e15 AS done_pflops,
       coalesce(sum(spent.done_flops), 0) / nullif(sum(spent.charged_flops), 0) AS done_share,
       coalesce(sum(spent.charged_s), 0) / 3600 AS charged_hours,
       coalesce(sum(spent.done_s), 0) / 3600 AS done_hours
FROM trial JOIN trunk ON trunk.trial = trial.id LEFT JOIN spent ON spent.trial = trial.id
GROUP BY coalesce(trial.study, '(none)')
ORDER BY study;
