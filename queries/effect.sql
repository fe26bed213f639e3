-- What does one choice change, all else equal?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, choice) with a trial at the end of its stream
-- axis: backbone, stream, mixture, method, recipe, budget; ordering (streams of equal tasks and suite) or tasks (streams of one sequence and
-- suite). measure: a_ka, a_zs, gm, d_ka, d_zs or zs_ratio. Only trials that share everything but the axis are compared: `others` of them
-- there are, and a choice that stands alone is shown with others 0. behind: how much the best choice (by mean) is ahead, paired by seed,
-- with its 95 % interval over `pairs`. verdict: best; behind; tie (the interval holds 0); too few seeds (no interval).
CREATE OR REPLACE MACRO effect(axis VARCHAR := 'method', measure VARCHAR := 'gm', among VARCHAR := NULL) AS TABLE
WITH
ended AS (
    SELECT CASE axis WHEN 'backbone' THEN t.backbone WHEN 'stream' THEN t.stream WHEN 'mixture' THEN t.mixture
                     WHEN 'method' THEN t.method WHEN 'recipe' THEN t.recipe WHEN 'budget' THEN t.budget
                     WHEN 'ordering' THEN s.sequence WHEN 'tasks' THEN s.tasks::VARCHAR
                     ELSE error('axis is one of backbone, stream, mixture, method, recipe, budget, ordering, tasks; not ' || axis)
                     END AS choice_,
           CASE axis WHEN 'backbone' THEN '*' ELSE t.backbone END AS b,
           CASE axis WHEN 'stream' THEN '*'
                     WHEN 'ordering' THEN concat(s.tasks, ' tasks of any order, ', s.suite)
                     WHEN 'tasks' THEN concat(s.sequence, ' in any tasks, ', s.suite) ELSE t.stream END AS st,
           CASE axis WHEN 'mixture' THEN '*' ELSE t.mixture END AS mx,
           CASE axis WHEN 'method' THEN '*' ELSE t.method END AS me,
           CASE axis WHEN 'recipe' THEN '*' ELSE t.recipe END AS r,
           CASE axis WHEN 'budget' THEN '*' ELSE t.budget END AS bu,
           t.seed AS seed_,
           CASE measure WHEN 'a_ka' THEN t.a_ka WHEN 'a_zs' THEN t.a_zs WHEN 'gm' THEN t.gm WHEN 'd_ka' THEN t.d_ka
                        WHEN 'd_zs' THEN t.d_zs WHEN 'zs_ratio' THEN t.zs_ratio
                        ELSE error('measure is one of a_ka, a_zs, gm, d_ka, d_zs, zs_ratio; not ' || measure) END AS value_,
           t.spent_flops AS flops
    FROM trajectory t JOIN stream s ON s.name = t.stream
    WHERE t.task = t.tasks
),
valued AS (
    SELECT * FROM ended WHERE value_ IS NOT NULL AND (among IS NULL OR list_contains(string_split(among, ','), choice_))
),
summed AS (
    SELECT b, st, mx, me, r, bu, choice_, count(*) AS n, avg(value_) AS m, stddev_samp(value_) AS s, avg(flops) / 1e9 AS gflops_
    FROM valued
    GROUP BY ALL
),
ranked AS (
    SELECT u.*, first(choice_) OVER cell_of AS best_, count(*) OVER (PARTITION BY b, st, mx, me, r, bu) - 1 AS others_
    FROM summed u
    WINDOW cell_of AS (PARTITION BY b, st, mx, me, r, bu ORDER BY m DESC, choice_)
),
paired AS (
    SELECT k.b, k.st, k.mx, k.me, k.r, k.bu, k.choice_, count(*) AS pairs_, avg(w.value_ - v.value_) AS d,
           stddev_samp(w.value_ - v.value_) AS sd
    FROM ranked k
    JOIN valued v ON v.b = k.b AND v.st = k.st AND v.mx = k.mx AND v.me = k.me AND v.r = k.r AND v.bu = k.bu AND v.choice_ = k.choice_
    JOIN valued w ON w.b = k.b AND w.st = k.st AND w.mx = k.mx AND w.me = k.me AND w.r = k.r AND w.bu = k.bu AND w.choice_ = k.best_
                 AND w.seed_ = v.seed_
    WHERE k.choice_ <> k.best_
    GROUP BY ALL
)
SELECT k.b AS backbone, k.st AS stream, k.mx AS mixture, k.me AS method, k.r AS recipe, k.bu AS budget, k.choice_ AS choice,
       k.others_ AS others, k.n AS seeds, k.m AS mean, k.m - q.t * k.s / sqrt(k.n) AS mean_low, k.m + q.t * k.s / sqrt(k.n) AS mean_high,
       coalesce(p.pairs_, 0) AS pairs, p.d AS behind, p.d - e.t * p.sd / sqrt(p.pairs_) AS behind_low,
       p.d + e.t * p.sd / sqrt(p.pairs_) AS behind_high,
       CASE WHEN k.others_ = 0 THEN 'nothing to compare with' WHEN k.choice_ = k.best_ THEN 'best'
            WHEN e.t IS NULL THEN 'too few seeds' WHEN p.d - e.t * p.sd / sqrt(p.pairs_) <= 0 THEN 'tie' ELSE 'behind' END AS verdict,
       k.gflops_ AS gflops
FROM ranked k
LEFT JOIN student q ON q.df = k.n - 1
LEFT JOIN paired p ON p.b = k.b AND p.st = k.st AND p.mx = k.mx AND p.me = k.me AND p.r = k.r AND p.bu = k.bu AND p.choice_ = k.choice_
LEFT JOIN student e ON e.df = p.pairs_ - 1
ORDER BY 1, 2, 3, 4, 5, 6, k.m DESC, 7;
