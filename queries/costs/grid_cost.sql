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
    SELECT b.name AS b, s.name AS st, x.name AS mx, m.name AS me, r.name AS re, u.name AS bu,
           CASE u.unit WHEN 'steps' THEN round_even(u.total / s.tasks, 0) * s.tasks
                       WHEN 'pairs' THEN round_even(u.total / (s.tasks * r.batch_pairs), 0) * s.tasks END::BIGINT AS steps
    FROM backbone b, stream s, mixture x, method m, recipe r, budget u
    WHERE CASE WHEN backbones IS NULL THEN b.name IN (SELECT t.backbone FROM trial t) ELSE list_contains(string_split(backbones, ','), b.name) END
      AND CASE WHEN streams IS NULL THEN s.name IN (SELECT t.stream FROM trial t) ELSE list_contains(string_split(streams, ','), s.name) END
      AND CASE WHEN mixtures IS NULL THEN x.name IN (SELECT t.mixture FROM trial t) ELSE list_contains(string_split(mixtures, ','), x.name) END
      AND CASE WHEN methods IS NULL THEN m.name IN (SELECT t.method FROM trial t) ELSE list_contains(string_split(methods, ','), m.name) END
      AND CASE WHEN recipes IS NULL THEN r.name IN (SELECT t.recipe FROM trial t) ELSE list_contains(string_split(recipes, ','), r.name) END
      AND CASE WHEN budgets IS NULL THEN u.name IN (SELECT t.budget FROM trial t) ELSE list_contains(string_split(budgets, ','), u.name) END
),
there AS (
    SELECT t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, count(*) AS trials
    FROM trial t
    WHERE t.seed >= first_seed AND t.seed < first_seed + seeds
    GROUP BY ALL
),
usual AS MATERIALIZED (
    FROM usual_cost c WHERE c.newest
),
alike AS (
    SELECT c.backbone, c.stream, c.recipe, c.budget, sum(c.trials)::BIGINT AS trials,
           sum(c.seconds * c.trials) / sum(c.trials) AS seconds, sum(c.pflops * c.trials) / sum(c.trials) AS pflops
    FROM usual c
    GROUP BY ALL
)
SELECT w.b AS backbone, w.st AS stream, w.mx AS mixture, w.me AS method, w.re AS recipe, w.bu AS budget,
       seeds - coalesce(t.trials, 0) AS new, w.steps, coalesce(u.seconds, a.seconds) AS seconds, coalesce(u.pflops, a.pflops) * 1e6 AS gflops,
       coalesce(u.trials, a.trials, 0) AS based_on, (seeds - coalesce(t.trials, 0)) * coalesce(u.seconds, a.seconds) / 3600 AS hours
FROM wanted w
LEFT JOIN there t ON t.backbone = w.b AND t.stream = w.st AND t.mixture = w.mx AND t.method = w.me AND t.recipe = w.re AND t.budget = w.bu
LEFT JOIN usual u ON u.backbone = w.b AND u.stream = w.st AND u.mixture = w.mx AND u.method = w.me AND u.recipe = w.re AND u.budget = w.bu
LEFT JOIN alike a ON a.backbone = w.b AND a.stream = w.st AND a.recipe = w.re AND a.budget = w.bu
ORDER BY 1, 2, 3, 4, 5, 6;
