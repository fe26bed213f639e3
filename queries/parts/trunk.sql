-- Which trials train the same?
-- grain: one row per trial that Weir runs
-- trunk: a number, equal for trials that differ only in what happens after training: technique,
-- deploy rule, suite, study. Of trials whose tasks begin from what was merged, the merging belongs
-- to it; of one that averages steps, always. stem: the same without where a task begins: trials of
-- one stem may have their first tasks in common. Another version of DuckDB may number them
-- otherwise.
CREATE OR REPLACE VIEW trunk AS
WITH
learns AS (
    SELECT method.name, hash(method.tuning, method.tuning_params, method.objective,
                             method.objective_params, method.repair, method.repair_params,
                        CASE
                             WHEN averages_steps(method.merging) THEN method.merging
                             || method.merging_params::VARCHAR END) AS learns,
           CASE method."start"
           WHEN 'merged' THEN hash(method.merging,
                                   json_merge_patch(method.merging_params,
                                                    json_object('start_over', NULL, 'over',
                coalesce(method.merging_params ->> 'start_over', method.merging_params ->> 'over',
                         'running'))))
           ELSE hash(method."start") END AS begins
    FROM method
)
SELECT trial.id AS trial,
       hash(trial.backbone, stream.sequence, stream.tasks, trial.mixture, trial.recipe,
            trial.budget, trial.seed, learns.learns, learns.begins) AS trunk,
       hash(trial.backbone, stream.sequence, stream.tasks, trial.mixture, trial.recipe,
            trial.budget, trial.seed, learns.learns) AS stem
FROM trial JOIN stream ON stream.name = trial.stream JOIN learns ON learns.name = trial.method
WHERE trial.source IS NULL;
