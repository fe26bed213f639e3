-- Which sentence is best, by a measure of your choice?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) that is wanted
-- Ranked by `measure` (a_ka, a_zs, gm, d_ka, d_zs or zs_ratio; more is better) after the last task among equal backbone, stream and budget.
-- mean, low, high: over seeds, 95 % t-interval. behind: how much the best is ahead, paired by seed, with its interval over `pairs`.
-- verdict: best; tie (the interval holds 0: it cannot be told from the best); behind; too few seeds (no interval). missing: seeds that are
-- wanted and not measured. tuning, objective and merging choose by the parts of a method; a parameter left out means all.
CREATE OR REPLACE MACRO ranked(
    measure VARCHAR := 'zs_ratio', backbone VARCHAR := NULL, stream VARCHAR := NULL, budget VARCHAR := NULL, mixture VARCHAR := NULL,
    method VARCHAR := NULL, tuning VARCHAR := NULL, objective VARCHAR := NULL, merging VARCHAR := NULL, recipe VARCHAR := NULL,
    study VARCHAR := NULL
) AS TABLE
WITH
chosen AS (
    SELECT s.trial AS id, s.backbone AS b, s.stream AS st, s.budget AS bu, s.mixture AS mx, s.method AS me, s.recipe AS r, s.seed AS seed_
    FROM trial_state s JOIN method m ON m.name = s.method
    WHERE s.state <> 'withdrawn'
      AND (backbone IS NULL OR s.backbone = backbone) AND (stream IS NULL OR s.stream = stream) AND (budget IS NULL OR s.budget = budget)
      AND (mixture IS NULL OR s.mixture = mixture) AND (method IS NULL OR s.method = method) AND (recipe IS NULL OR s.recipe = recipe)
      AND (study IS NULL OR s.study = study) AND (tuning IS NULL OR m.tuning = tuning) AND (merging IS NULL OR m.merging = merging)
      AND (objective IS NULL OR list_contains(string_split(m.objective, '+'), objective))
),
valued AS (
    SELECT c.*, CASE measure WHEN 'a_ka' THEN e.a_ka WHEN 'a_zs' THEN e.a_zs WHEN 'gm' THEN e.gm WHEN 'd_ka' THEN e.d_ka
                             WHEN 'd_zs' THEN e.d_zs WHEN 'zs_ratio' THEN e.zs_ratio
                             ELSE error('measure is one of a_ka, a_zs, gm, d_ka, d_zs, zs_ratio; not ' || measure) END AS value_
    FROM chosen c LEFT JOIN (SELECT t.* FROM trajectory t WHERE t.task = t.tasks) e ON e.trial = c.id
),
summed AS (
    SELECT b, st, bu, mx, me, r, count(*) AS wanted_, count(value_) AS n, avg(value_) AS m, stddev_samp(value_) AS s
    FROM valued
    GROUP BY ALL
),
placed AS (
    SELECT u.*, first(mx) OVER best_of AS mx_, first(me) OVER best_of AS me_, first(r) OVER best_of AS r_,
           rank() OVER (PARTITION BY b, st, bu ORDER BY m DESC NULLS LAST) AS place
    FROM summed u
    WINDOW best_of AS (PARTITION BY b, st, bu ORDER BY m DESC NULLS LAST, me, mx, r)
),
paired_ AS (
    SELECT p.b, p.st, p.bu, p.mx, p.me, p.r, count(*) AS n, avg(w.value_ - v.value_) AS d, stddev_samp(w.value_ - v.value_) AS s
    FROM placed p
    JOIN valued v ON v.b = p.b AND v.st = p.st AND v.bu = p.bu AND v.mx = p.mx AND v.me = p.me AND v.r = p.r
    JOIN valued w ON w.b = p.b AND w.st = p.st AND w.bu = p.bu AND w.mx = p.mx_ AND w.me = p.me_ AND w.r = p.r_ AND w.seed_ = v.seed_
    WHERE (p.mx, p.me, p.r) <> (p.mx_, p.me_, p.r_) AND v.value_ IS NOT NULL AND w.value_ IS NOT NULL
    GROUP BY ALL
)
SELECT p.b AS backbone, p.st AS stream, p.bu AS budget, CASE WHEN p.m IS NOT NULL THEN p.place END AS rank,
       p.me AS method, p.mx AS mixture, p.r AS recipe, p.n AS seeds, p.wanted_ AS seeds_wanted, p.wanted_ - p.n AS missing,
       p.m AS mean, p.m - q.t * p.s / sqrt(p.n) AS low, p.m + q.t * p.s / sqrt(p.n) AS high,
       coalesce(d.n, 0) AS pairs, d.d AS behind, d.d - e.t * d.s / sqrt(d.n) AS behind_low, d.d + e.t * d.s / sqrt(d.n) AS behind_high,
       CASE WHEN p.m IS NULL THEN NULL WHEN (p.mx, p.me, p.r) = (p.mx_, p.me_, p.r_) THEN 'best' WHEN e.t IS NULL THEN 'too few seeds'
            WHEN d.d - e.t * d.s / sqrt(d.n) <= 0 THEN 'tie' ELSE 'behind' END AS verdict
FROM placed p
LEFT JOIN student q ON q.df = p.n - 1
LEFT JOIN paired_ d ON d.b = p.b AND d.st = p.st AND d.bu = p.bu AND d.mx = p.mx AND d.me = p.me AND d.r = p.r
LEFT JOIN student e ON e.df = d.n - 1
ORDER BY 1, 2, 3, rank NULLS LAST, 5, 6, 7;
