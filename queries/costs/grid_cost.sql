-- What would a grid cost?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) of the product of what is named
-- Words are listed with commas; left out: all that trials use. Every combination gets seeds first_seed ... first_seed + seeds - 1.
-- new: trials that are not declared yet. steps: of one trial, where the budget says them. seconds; gflops
-- without evaluation: of one trial, means of finished trials of the same six words, else (seconds only) from
-- the `pace` of the same backbone, mixture, method and recipe, else of those that share backbone, stream,
-- recipe and budget, and the objective and repair of their methods; on the device on which one of the kind
-- finished last; based_on: how many. hours: worker time of the new ones.
CREATE OR REPLACE MACRO grid_cost(
    backbones VARCHAR := NULL, streams VARCHAR := NULL, mixtures VARCHAR := NULL, methods VARCHAR := NULL, recipes VARCHAR := NULL,
    budgets VARCHAR := NULL, seeds INTEGER := 3, first_seed INTEGER := 0
) AS TABLE
WITH
wanted AS (
    SELECT b.name AS b, s.name AS st, x.name AS mx, m.name AS me, r.name AS re, u.name AS bu, s.tasks AS tasks,
           concat_ws(' ', m.objective, m.objective_params, m.repair, m.repair_params) AS parts,
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
paced AS MATERIALIZED (
    FROM pace p WHERE p.newest
),
alike AS (
    SELECT c.backbone, c.stream, c.recipe, c.budget,
           concat_ws(' ', m.objective, m.objective_params, m.repair, m.repair_params) AS parts,
           sum(c.trials)::BIGINT AS trials, sum(c.seconds * c.trials) / sum(c.trials) AS seconds,
           sum(c.pflops * c.trials) / sum(c.trials) AS pflops
    FROM usual c JOIN method m ON m.name = c.method
    GROUP BY ALL
),
known AS (
    SELECT w.*, seeds - coalesce(t.trials, 0) AS new, coalesce(u.pflops, a.pflops) * 1e6 AS gflops,
           u.seconds AS same_s, w.steps * d.step_s + w.tasks * d.task_s AS method_s, a.seconds AS alike_s,
           u.trials AS same_n, d.trials AS method_n, a.trials AS alike_n
    FROM wanted w
    LEFT JOIN there t ON (t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget) = (w.b, w.st, w.mx, w.me, w.re, w.bu)
    LEFT JOIN usual u ON (u.backbone, u.stream, u.mixture, u.method, u.recipe, u.budget) = (w.b, w.st, w.mx, w.me, w.re, w.bu)
    LEFT JOIN paced d ON (d.backbone, d.mixture, d.method, d.recipe) = (w.b, w.mx, w.me, w.re)
    LEFT JOIN alike a ON (a.backbone, a.stream, a.recipe, a.budget, a.parts) = (w.b, w.st, w.re, w.bu, w.parts)
)
SELECT k.b AS backbone, k.st AS stream, k.mx AS mixture, k.me AS method, k.re AS recipe, k.bu AS budget, k.new, k.steps,
       coalesce(k.same_s, k.method_s, k.alike_s) AS seconds, k.gflops,
       CASE WHEN k.same_s IS NOT NULL THEN k.same_n WHEN k.method_s IS NOT NULL THEN k.method_n
            ELSE coalesce(k.alike_n, 0) END AS based_on,
       k.new * coalesce(k.same_s, k.method_s, k.alike_s) / 3600 AS hours
FROM known k
ORDER BY 1, 2, 3, 4, 5, 6;
