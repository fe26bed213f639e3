-- Which trials train the same?
-- grain: one row per trial
-- trunk: a number, equal for trials that differ only in what happens after training: technique,
-- deploy rule, suite, study. Of trials whose tasks begin from what was merged, the merging belongs
-- to it; of one that averages steps, always. stem: the same without where a task begins: trials of
-- one stem may have their first tasks in common. Another version of DuckDB may number them
-- otherwise.
CREATE OR REPLACE VIEW trunk AS
WITH
learns AS (
    SELECT m.name, hash(m.tuning, m.tuning_params, m.objective, m.objective_params, m.repair, m.repair_params,
                        CASE WHEN m.merging IN ('ema_step', 'every_k') THEN m.merging || m.merging_params::VARCHAR END) AS learns,
           CASE m."start"
           WHEN 'merged' THEN hash(m.merging, json_merge_patch(m.merging_params, json_object('start_over', NULL, 'over',
                coalesce(m.merging_params ->> 'start_over', m.merging_params ->> 'over', 'running'))))
           ELSE hash(m."start") END AS begins
    FROM method m
)
SELECT t.id AS trial, hash(t.backbone, s.sequence, s.tasks, t.mixture, t.recipe, t.budget, t.seed, m.learns, m.begins) AS trunk,
       hash(t.backbone, s.sequence, s.tasks, t.mixture, t.recipe, t.budget, t.seed, m.learns) AS stem
FROM trial t JOIN stream s ON s.name = t.stream JOIN learns m ON m.name = t.method;
