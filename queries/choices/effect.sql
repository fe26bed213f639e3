-- What does one choice change, all else equal?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, choice) with a trial at the end of its stream
-- axis: backbone, stream (of one suite), mixture, method, recipe, budget; ordering (streams of equal tasks and suite) or tasks (streams of
-- one sequence and suite). measure: a_ka, a_zs, gm, d_ka, d_zs or zs_ratio. Only trials that share everything but the axis are compared:
-- `others` of them there are, and a choice that stands alone is shown with others 0. behind: how much the best choice (by mean) is ahead,
-- paired by seed, with its 95 % interval over `pairs`. verdict: best; behind; tie (the interval holds 0); ahead (behind by mean, ahead on
-- the seeds that both have); too few seeds (no interval). few_seeds: a mean of fewer than 3.
-- A verdict is for one comparison: of six choices that are equally good, in a third of all studies one of the other five is called behind.
CREATE OR REPLACE MACRO effect(axis VARCHAR := 'method', measure VARCHAR := 'gm', among VARCHAR := NULL) AS TABLE
WITH
ended AS (
    SELECT CASE axis WHEN 'backbone' THEN t.backbone WHEN 'stream' THEN t.stream WHEN 'mixture' THEN t.mixture
                     WHEN 'method' THEN t.method WHEN 'recipe' THEN t.recipe WHEN 'budget' THEN t.budget
                     WHEN 'ordering' THEN s.sequence WHEN 'tasks' THEN s.tasks::VARCHAR
                     ELSE error('axis is one of backbone, stream, mixture, method, recipe, budget, ordering, tasks; not ' || axis)
                     END AS choice_,
           CASE axis WHEN 'backbone' THEN '*' ELSE t.backbone END AS b,
           CASE axis WHEN 'stream' THEN concat('any stream, ', s.suite)
                     WHEN 'ordering' THEN concat(s.tasks, ' tasks of any order, ', s.suite)
                     WHEN 'tasks' THEN concat(s.sequence, ' in any tasks, ', s.suite) ELSE t.stream END AS st,
           CASE axis WHEN 'mixture' THEN '*' ELSE t.mixture END AS mx,
           CASE axis WHEN 'method' THEN '*' ELSE t.method END AS me,
           CASE axis WHEN 'recipe' THEN '*' ELSE t.recipe END AS r,
           CASE axis WHEN 'budget' THEN '*' ELSE t.budget END AS bu,
           t.seed AS seed_,
           CASE measure WHEN 'a_ka' THEN e.a_ka WHEN 'a_zs' THEN e.a_zs WHEN 'gm' THEN e.gm WHEN 'd_ka' THEN e.d_ka
                        WHEN 'd_zs' THEN e.d_zs WHEN 'zs_ratio' THEN e.zs_ratio
                        ELSE error('measure is one of a_ka, a_zs, gm, d_ka, d_zs, zs_ratio; not ' || measure) END AS value_,
           e.spent_flops AS flops
    FROM summary e JOIN trial t ON t.id = e.trial JOIN stream s ON s.name = t.stream
    WHERE e.task = e.tasks
),
valued AS (
    SELECT * FROM ended WHERE value_ IS NOT NULL AND (among IS NULL OR list_contains(string_split(among, ','), choice_))
),
summed AS (
    SELECT b, st, mx, me, r, bu, choice_, count(*) AS n, avg(value_) AS m, stddev_samp(value_) AS s, avg(flops) / 1e9 AS gflops_,
           list({'seed': seed_, 'value': value_}) AS of_seeds
    FROM valued
    GROUP BY ALL
),
placed AS (
    SELECT u.*, first(choice_) OVER cell_of AS best_, first(of_seeds) OVER cell_of AS best_seeds,
           count(*) OVER (PARTITION BY b, st, mx, me, r, bu) - 1 AS others_
    FROM summed u
    WINDOW cell_of AS (PARTITION BY b, st, mx, me, r, bu ORDER BY m DESC, choice_)
),
paired AS (
    -- a list for each row, not a join of all with all: what is asked of few combinations is computed of few
    SELECT k.*, CASE WHEN k.choice_ <> k.best_
                     THEN flatten([[w.value - v.value FOR w IN k.best_seeds IF w.seed = v.seed] FOR v IN k.of_seeds]) END AS ahead
    FROM placed k
),
behind_ AS (
    SELECT p.*, coalesce(len(p.ahead), 0) AS pairs_, list_avg(p.ahead) AS d, list_stddev_samp(p.ahead) / sqrt(len(p.ahead)) AS error_
    FROM paired p
)
SELECT k.b AS backbone, k.st AS stream, k.mx AS mixture, k.me AS method, k.r AS recipe, k.bu AS budget, k.choice_ AS choice,
       k.others_ AS others, k.n AS seeds, k.n < 3 AS few_seeds, k.m AS mean,
       k.m - q.t * k.s / sqrt(k.n) AS mean_low, k.m + q.t * k.s / sqrt(k.n) AS mean_high,
       k.pairs_ AS pairs, k.d AS behind, k.d - e.t * k.error_ AS behind_low, k.d + e.t * k.error_ AS behind_high,
       CASE WHEN k.others_ = 0 THEN 'nothing to compare with' WHEN k.choice_ = k.best_ THEN 'best' WHEN e.t IS NULL THEN 'too few seeds'
            WHEN k.d - e.t * k.error_ > 0 THEN 'behind' WHEN k.d + e.t * k.error_ < 0 THEN 'ahead' ELSE 'tie' END AS verdict,
       k.gflops_ AS gflops
FROM behind_ k
LEFT JOIN student q ON q.df = k.n - 1
LEFT JOIN student e ON e.df = k.pairs_ - 1
ORDER BY 1, 2, 3, 4, 5, 6, k.m DESC, 7;
