-- Are the published numbers reproduced here?
-- grain: one row per (source, setting, metric) of reference_result
-- A published setting is a JSON object of our words (backbone, stream, mixture, method, recipe,
-- budget, suite), a dataset, and the task after which it was measured (left out: the last). ours:
-- mean over the trials that fit all of it, deployed weights, whole test sets; method names are
-- compared without regard to case. verdict: reproduced (within `tolerance` of the published value);
-- differs; not measured; not compared, where the setting has words that are not ours (`unknown`),
-- or the number is unverified: those are never compared silently.
CREATE OR REPLACE MACRO reproduced(tolerance DOUBLE := 0.005) AS TABLE
WITH
said AS (
    SELECT r.source, r.setting, r.metric, r.value, r.provenance, r.url, CASE WHEN json_valid(r.setting) THEN r.setting::JSON END AS words
    FROM reference_result r
),
asked AS (
    SELECT s.*, words ->> 'backbone' AS b, words ->> 'stream' AS st, words ->> 'mixture' AS mx, lower(words ->> 'method') AS me,
           words ->> 'recipe' AS re, words ->> 'budget' AS bu, words ->> 'suite' AS su, words ->> 'dataset' AS da,
           try_cast(words ->> 'task' AS INTEGER) AS ta,
           CASE WHEN words IS NULL THEN 'not a JSON object'
                ELSE list_aggregate(list_filter(json_keys(words), lambda key: NOT list_contains(
                     ['backbone', 'stream', 'mixture', 'method', 'recipe', 'budget', 'suite', 'dataset', 'task'], key)), 'string_agg', ', ')
                END AS unknown_
    FROM said s
),
open_ AS (
    SELECT * FROM asked WHERE coalesce(unknown_, '') = '' AND provenance <> 'unverified' AND (b IS NOT NULL OR st IS NOT NULL)
),
ends AS (
    SELECT c.trial, c.tasks AS task, NULL::VARCHAR AS dataset, u.metric, u.value
    FROM continual c, LATERAL (SELECT unnest(['acc_final', 'acc_all', 'acc_inc', 'acc_learn', 'transfer', 'tic_forward', 'tic_backward', 'bwt',
                                              'fwt_zs', 'forgotten_mean']) AS metric,
                                      unnest([c.acc_final, c.acc_all, c.acc_inc, c.acc_learn, c.transfer, c.tic_forward, c.tic_backward, c.bwt,
                                              c.fwt_zs, c.forgotten_mean]) AS value) u
),
means AS (
    SELECT p.trial, p.task, NULL::VARCHAR AS dataset, u.metric, u.value
    FROM point p, LATERAL (SELECT unnest(['a_ka', 'a_zs', 'gm']) AS metric, unnest([p.a_ka, p.a_zs, p.gm]) AS value) u
),
ours AS (
    SELECT trial, task, dataset, metric, value
    FROM measured
    WHERE weights = 'deployed' AND fraction = 1 AND at_end AND label_space = 'all' AND dataset IN (SELECT da FROM open_)
    UNION ALL FROM means WHERE metric IN (SELECT metric FROM open_ WHERE da IS NULL)
    UNION ALL FROM ends WHERE metric IN (SELECT metric FROM open_ WHERE da IS NULL)
),
found AS (
    SELECT a.source, a.setting, a.metric, count(*) AS trials, avg(o.value) AS ours
    FROM open_ a
    JOIN ours o ON o.metric = a.metric AND o.dataset IS NOT DISTINCT FROM a.da
    JOIN trial t ON t.id = o.trial
    JOIN stream s ON s.name = t.stream
    WHERE o.value IS NOT NULL AND o.task = coalesce(a.ta, s.tasks)
      AND (a.b IS NULL OR a.b = t.backbone) AND (a.st IS NULL OR a.st = t.stream) AND (a.mx IS NULL OR a.mx = t.mixture)
      AND (a.me IS NULL OR a.me = lower(t.method)) AND (a.re IS NULL OR a.re = t.recipe) AND (a.bu IS NULL OR a.bu = t.budget)
      AND (a.su IS NULL OR a.su = s.suite)
    GROUP BY ALL
)
SELECT a.source, a.setting, a.metric, a.provenance, a.value AS published, coalesce(f.trials, 0) AS trials, f.ours, f.ours - a.value AS difference,
       CASE WHEN a.provenance = 'unverified' THEN 'not compared: unverified'
            WHEN coalesce(a.unknown_, '') <> '' THEN 'not compared: ' || a.unknown_
            WHEN f.ours IS NULL THEN 'not measured'
            WHEN abs(f.ours - a.value) <= tolerance THEN 'reproduced' ELSE 'differs' END AS verdict, a.url
FROM asked a LEFT JOIN found f USING (source, setting, metric)
ORDER BY trials DESC, 1, 2, 3;
