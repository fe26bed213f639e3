-- What would a grid cost?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) of those named
-- Words are listed with commas; left out: all that trials use. Every combination gets seeds
-- first_seed ... first_seed + seeds - 1. new: trials that are not declared yet. steps: of one
-- trial, where the budget says them. seconds; gflops without evaluation: of one trial, means of
-- finished trials of the same six words, else (seconds only) from the `pace` of the same backbone,
-- mixture, method and recipe, else of those that share backbone, stream, recipe and budget, and the
-- objective and repair of their methods; on the device on which one of the kind finished last;
-- based_on: how many. hours: worker time of the new ones.
CREATE OR REPLACE MACRO grid_cost(
    backbones VARCHAR := NULL, streams VARCHAR := NULL, mixtures VARCHAR := NULL,
    methods VARCHAR := NULL, recipes VARCHAR := NULL,
    budgets VARCHAR := NULL, seeds INTEGER := 3, first_seed INTEGER := 0
) AS TABLE
WITH
wanted AS (
    SELECT backbone.name AS backbone, stream.name AS stream, mixture.name AS mixture,
           method.name AS method, recipe.name AS recipe, budget.name AS budget, stream.tasks,
           concat_ws(' ', method.objective, method.objective_params, method.repair,
                     method.repair_params) AS parts,
           CASE budget.unit
                WHEN 'steps' THEN round_even(budget.total / stream.tasks, 0) * stream.tasks
                       WHEN 'pairs' THEN round_even(budget.total
                                                    / (stream.tasks * recipe.batch_pairs),
                                                    0) * stream.tasks END::BIGINT AS steps
    FROM backbone, stream, mixture, method, recipe, budget
    WHERE CASE WHEN backbones IS NULL THEN backbone.name IN (SELECT trial.backbone FROM trial)
               ELSE list_contains(string_split(backbones, ','), backbone.name) END
      AND CASE WHEN streams IS NULL THEN stream.name IN (SELECT trial.stream FROM trial)
               ELSE list_contains(string_split(streams, ','), stream.name) END
      AND CASE WHEN mixtures IS NULL THEN mixture.name IN (SELECT trial.mixture FROM trial)
               ELSE list_contains(string_split(mixtures, ','), mixture.name) END
      AND CASE WHEN methods IS NULL THEN method.name IN (SELECT trial.method FROM trial)
               ELSE list_contains(string_split(methods, ','), method.name) END
      AND CASE WHEN recipes IS NULL THEN recipe.name IN (SELECT trial.recipe FROM trial)
               ELSE list_contains(string_split(recipes, ','), recipe.name) END
      AND CASE WHEN budgets IS NULL THEN budget.name IN (SELECT trial.budget FROM trial)
               ELSE list_contains(string_split(budgets, ','), budget.name) END
),
there AS (
    SELECT trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget,
           count(*) AS trials
    FROM trial
    WHERE trial.seed >= first_seed AND trial.seed < first_seed + seeds
    GROUP BY ALL
),
usual AS MATERIALIZED (
    FROM usual_cost WHERE usual_cost.newest
),
paced AS MATERIALIZED (
    FROM pace WHERE pace.newest
),
alike AS (
    SELECT usual.backbone, usual.stream, usual.recipe, usual.budget,
           concat_ws(' ', method.objective, method.objective_params, method.repair,
                     method.repair_params) AS parts,
           sum(usual.trials)::BIGINT AS trials,
           sum(usual.seconds * usual.trials) / sum(usual.trials) AS seconds,
           sum(usual.pflops * usual.trials) / sum(usual.trials) AS pflops
    FROM usual JOIN method ON method.name = usual.method
    GROUP BY ALL
),
known AS (
    SELECT wanted.*, seeds - coalesce(there.trials, 0) AS new,
           coalesce(usual.pflops, alike.pflops) * 1e6 AS gflops,
           usual.seconds AS same_s,
           wanted.steps * paced.step_s + wanted.tasks * paced.task_s AS method_s,
           alike.seconds AS alike_s,
           usual.trials AS same_trials, paced.trials AS method_trials, alike.trials AS alike_trials
    FROM wanted
    LEFT JOIN there ON (there.backbone, there.stream, there.mixture, there.method, there.recipe,
                        there.budget) = (wanted.backbone, wanted.stream, wanted.mixture,
                                         wanted.method, wanted.recipe, wanted.budget)
    LEFT JOIN usual ON (usual.backbone, usual.stream, usual.mixture, usual.method, usual.recipe,
                        usual.budget) = (wanted.backbone, wanted.stream, wanted.mixture,
                                         wanted.method, wanted.recipe, wanted.budget)
    LEFT JOIN paced ON (paced.backbone, paced.mixture, paced.method, paced.recipe)
        = (wanted.backbone, wanted.mixture, wanted.method, wanted.recipe)
    LEFT JOIN alike ON (alike.backbone, alike.stream, alike.recipe, alike.budget, alike.parts)
        = (wanted.backbone, wanted.stream, wanted.recipe, wanted.budget, wanted.parts)
)
SELECT known.backbone, known.stream, known.mixture, known.method, known.recipe, known.budget,
       known.new, known.steps,
       coalesce(known.same_s, known.method_s, known.alike_s) AS seconds, known.gflops,
       CASE WHEN known.same_s IS NOT NULL THEN known.same_trials
            WHEN known.method_s IS NOT NULL THEN known.method_trials
            ELSE coalesce(known.alike_trials, 0) END AS based_on,
       known.new * coalesce(known.same_s, known.method_s, known.alike_s) / 3600 AS hours
FROM known
ORDER BY 1, 2, 3, 4, 5, 6;
