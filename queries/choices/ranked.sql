-- Which sentence is best, by a measure of your choice?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) that is wanted
-- Ranked by `measure` (a_ka, a_zs, gm, d_ka, d_zs or zs_ratio; more is better) after the last task among equal backbone, stream and budget.
-- mean, low, high: over seeds, 95 % t-interval. behind: how much the best is ahead, paired by seed, with its interval over `pairs`.
-- verdict: best; tie (the interval holds 0: it cannot be told from the best); behind; ahead (behind by mean, ahead on the seeds that both
-- have); too few seeds (no interval). It is for one comparison: of six sentences that are equally good, in a third of all studies one of
-- the other five is called behind. few_seeds: a mean of fewer than 3. missing: seeds that are wanted and not measured. tuning, objective
-- and merging choose by the parts of a method; a parameter left out means all.
CREATE OR REPLACE MACRO ranked(
    measure VARCHAR := 'zs_ratio', backbone VARCHAR := NULL, stream VARCHAR := NULL, budget VARCHAR := NULL, mixture VARCHAR := NULL,
    method VARCHAR := NULL, tuning VARCHAR := NULL, objective VARCHAR := NULL, merging VARCHAR := NULL, recipe VARCHAR := NULL,
    study VARCHAR := NULL
) AS TABLE
WITH
chosen AS (
    SELECT s.id, s.backbone AS b, s.stream AS st, s.budget AS bu, s.mixture AS mx, s.method AS me, s.recipe AS r, s.seed AS seed_
    FROM trial s JOIN method m ON m.name = s.method
    WHERE s.id NOT IN (SELECT g.trial FROM stage g WHERE g.state = 'withdrawn')
      AND (backbone IS NULL OR s.backbone = backbone) AND (stream IS NULL OR s.stream = stream) AND (budget IS NULL OR s.budget = budget)
      AND (mixture IS NULL OR s.mixture = mixture) AND (method IS NULL OR s.method = method) AND (recipe IS NULL OR s.recipe = recipe)
      AND (study IS NULL OR s.study = study) AND (tuning IS NULL OR m.tuning = tuning) AND (merging IS NULL OR m.merging = merging)
      AND (objective IS NULL OR list_contains(string_split(m.objective, '+'), objective))
),
valued AS (
    SELECT c.*, CASE measure WHEN 'a_ka' THEN e.a_ka WHEN 'a_zs' THEN e.a_zs WHEN 'gm' THEN e.gm WHEN 'd_ka' THEN e.d_ka
                             WHEN 'd_zs' THEN e.d_zs WHEN 'zs_ratio' THEN e.zs_ratio
                             ELSE error('measure is one of a_ka, a_zs, gm, d_ka, d_zs, zs_ratio; not ' || measure) END AS value_
    FROM chosen c LEFT JOIN (SELECT t.* FROM summary t WHERE t.task = t.tasks) e ON e.trial = c.id
),
summed AS (
    SELECT b, st, bu, mx, me, r, count(*) AS wanted_, count(value_) AS n, avg(value_) AS m, stddev_samp(value_) AS s,
           list({'seed': seed_, 'value': value_}) FILTER (WHERE value_ IS NOT NULL) AS of_seeds
    FROM valued
    GROUP BY ALL
),
placed AS (
    SELECT u.*, first(mx) OVER best_of AS mx_, first(me) OVER best_of AS me_, first(r) OVER best_of AS r_, first(of_seeds) OVER best_of AS best_,
           rank() OVER (PARTITION BY b, st, bu ORDER BY m DESC NULLS LAST) AS place
    FROM summed u
    WINDOW best_of AS (PARTITION BY b, st, bu ORDER BY m DESC NULLS LAST, me, mx, r)
),
paired_ AS (
    -- a list for each row, not a join of all with all: what is asked of few combinations is computed of few
    SELECT p.*, CASE WHEN (p.mx, p.me, p.r) <> (p.mx_, p.me_, p.r_)
                     THEN flatten([[w.value - v.value FOR w IN p.best_ IF w.seed = v.seed] FOR v IN p.of_seeds]) END AS ahead
    FROM placed p
),
behind_ AS (
    SELECT p.*, coalesce(len(p.ahead), 0) AS pairs_, list_avg(p.ahead) AS d, list_stddev_samp(p.ahead) / sqrt(len(p.ahead)) AS error_
    FROM paired_ p
)
SELECT p.b AS backbone, p.st AS stream, p.bu AS budget, CASE WHEN p.m IS NOT NULL THEN p.place END AS rank,
       p.me AS method, p.mx AS mixture, p.r AS recipe, p.n AS seeds, p.n < 3 AS few_seeds, p.wanted_ AS seeds_wanted, p.wanted_ - p.n AS missing,
       p.m AS mean, p.m - q.t * p.s / sqrt(p.n) AS low, p.m + q.t * p.s / sqrt(p.n) AS high,
       p.pairs_ AS pairs, p.d AS behind, p.d - e.t * p.error_ AS behind_low, p.d + e.t * p.error_ AS behind_high,
       CASE WHEN p.m IS NULL THEN NULL WHEN (p.mx, p.me, p.r) = (p.mx_, p.me_, p.r_) THEN 'best' WHEN e.t IS NULL THEN 'too few seeds'
            WHEN p.d - e.t * p.error_ > 0 THEN 'behind' WHEN p.d + e.t * p.error_ < 0 THEN 'ahead' ELSE 'tie' END AS verdict
FROM behind_ p
LEFT JOIN student q ON q.df = p.n - 1
LEFT JOIN student e ON e.df = p.pairs_ - 1
ORDER BY 1, 2, 3, rank NULLS LAST, 5, 6, 7;
