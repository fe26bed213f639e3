-- What would a grid cost?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) of the product of what is named
-- Words are listed with commas; left out: all that trials use. Every combination gets seeds
-- first_seed ... first_seed + seeds - 1. new: trials that are not declared yet. steps: of one
-- trial, where the budget says them. seconds; gflops without evaluation: of one trial, means of
-- finished trials of the same six words, else of those that share backbone, stream, recipe and
-- budget, on the device on which one of the kind finished last; based_on: how many. hours: worker
-- time of the new ones.
CREATE OR REPLACE MACRO grid_cost(
    backbones VARCHAR := NULL, streams VARCHAR := NULL, mixtures VARCHAR := NULL, methods VARCHAR := NULL, recipes VARCHAR := NULL,
    budgets VARCHAR := NULL, seeds INTEGER := 3, first_seed INTEGER := 0
) AS TABLE
WITH
wanted AS (
    SELECT backbone.name AS b, s.name AS st, x.name AS mx, m.name AS me, r.name AS re, u.name AS bu,
           CASE u.unit WHEN 'steps' THEN round_even(u.total / s.tasks, 0) * s.tasks
                       WHEN 'pairs' THEN round_even(u.total / (s.tasks * r.batch_pairs), 0) * s.tasks END::BIGINT AS steps
    FROM backbone, stream s, mixture x, method m, recipe r, budget u
    WHERE CASE WHEN backbones IS NULL THEN backbone.name IN (SELECT t.backbone FROM trial t) ELSE list_contains(string_split(backbones, ','), backbone.name) END
      AND CASE WHEN streams IS NULL THEN s.name IN (SELECT t.stream FROM trial t) ELSE list_contains(string_split(streams, ','), s.name) END
      AND CASE WHEN mixtures IS NULL THEN x.name IN (SELECT t.mixture FROM trial t) ELSE list_contains(string_split(mixtures, ','), x.name) END
      AND CASE WHEN methods IS NULL THEN m.name IN (SELECT t.method FROM trial t) ELSE list_contains(string_split(methods, ','), m.name) END
      AND CASE WHEN recipes IS NULL THEN r.name IN (SELECT t.recipe FROM trial t) ELSE list_contains(string_split(recipes, ','), r.name) END
      AND CASE WHEN budgets IS NULL THEN u.name IN (SELECT t.budget FROM trial t) ELSE list_contains(string_split(budgets, ','), u.name) END
),
there AS (
    SELECT trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget, count(*) AS trials
    FROM trial
    WHERE trial.seed >= first_seed AND trial.seed < first_seed + seeds
    GROUP BY ALL
),
usual AS MATERIALIZED (
    FROM usual_cost WHERE usual_cost.newest
),
alike AS (
    SELECT usual.backbone, usual.stream, usual.recipe, usual.budget, sum(usual.trials)::BIGINT AS trials,
           sum(usual.seconds * usual.trials) / sum(usual.trials) AS seconds, sum(usual.pflops * usual.trials) / sum(usual.trials) AS pflops
    FROM usual
    GROUP BY ALL
)
SELECT wanted.b AS backbone, wanted.st AS stream, wanted.mx AS mixture, wanted.me AS method, wanted.re AS recipe, wanted.bu AS budget,
       seeds - coalesce(there.trials, 0) AS new, wanted.steps, coalesce(usual.seconds, alike.seconds) AS seconds, coalesce(usual.pflops, alike.pflops) * 1e6 AS gflops,
       coalesce(usual.trials, alike.trials, 0) AS based_on, (seeds - coalesce(there.trials, 0)) * coalesce(usual.seconds, alike.seconds) / 3600 AS hours
FROM wanted
LEFT JOIN there ON there.backbone = wanted.b AND there.stream = wanted.st AND there.mixture = wanted.mx AND there.method = wanted.me AND there.recipe = wanted.re AND there.budget = wanted.bu
LEFT JOIN usual ON usual.backbone = wanted.b AND usual.stream = wanted.st AND usual.mixture = wanted.mx AND usual.method = wanted.me AND usual.recipe = wanted.re AND usual.budget = wanted.bu
LEFT JOIN alike ON alike.backbone = wanted.b AND alike.stream = wanted.st AND alike.recipe = wanted.re AND alike.budget = wanted.bu
ORDER BY 1, 2, 3, 4, 5, 6;
