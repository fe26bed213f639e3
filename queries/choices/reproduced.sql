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
    SELECT reference_result.source, reference_result.setting, reference_result.metric, reference_result.value, reference_result.provenance, reference_result.url, CASE WHEN json_valid(reference_result.setting) THEN reference_result.setting::JSON END AS words
    FROM reference_result
),
asked AS (
    SELECT said.*, words ->> 'backbone' AS b, words ->> 'stream' AS st, words ->> 'mixture' AS mx, lower(words ->> 'method') AS me,
           words ->> 'recipe' AS re, words ->> 'budget' AS bu, words ->> 'suite' AS su, words ->> 'dataset' AS da,
           try_cast(words ->> 'task' AS INTEGER) AS ta,
           CASE WHEN words IS NULL THEN 'not a JSON object'
                ELSE list_aggregate(list_filter(json_keys(words), lambda key: NOT list_contains(
                     ['backbone', 'stream', 'mixture', 'method', 'recipe', 'budget', 'suite', 'dataset', 'task'], key)), 'string_agg', ', ')
                END AS unknown_
    FROM said
),
open_ AS (
    SELECT * FROM asked WHERE coalesce(unknown_, '') = '' AND provenance <> 'unverified' AND (b IS NOT NULL OR st IS NOT NULL)
),
ends AS (
    SELECT continual.trial, continual.tasks AS task, NULL::VARCHAR AS dataset, u.metric, u.value
    FROM continual, LATERAL (SELECT unnest(['acc_final', 'acc_all', 'acc_inc', 'acc_learn', 'transfer', 'tic_forward', 'tic_backward', 'bwt',
                                              'fwt_zs', 'forgotten_mean']) AS metric,
                                      unnest([continual.acc_final, continual.acc_all, continual.acc_inc, continual.acc_learn, continual.transfer, continual.tic_forward, continual.tic_backward, continual.bwt,
                                              continual.fwt_zs, continual.forgotten_mean]) AS value) u
),
means AS (
    SELECT point.trial, point.task, NULL::VARCHAR AS dataset, u.metric, u.value
    FROM point, LATERAL (SELECT unnest(['a_ka', 'a_zs', 'gm']) AS metric, unnest([point.a_ka, point.a_zs, point.gm]) AS value) u
),
ours AS (
    SELECT trial, task, dataset, metric, value
    FROM measured
    WHERE weights = 'deployed' AND fraction = 1 AND at_end AND label_space = 'all' AND dataset IN (SELECT da FROM open_)
    UNION ALL FROM means WHERE metric IN (SELECT metric FROM open_ WHERE da IS NULL)
    UNION ALL FROM ends WHERE metric IN (SELECT metric FROM open_ WHERE da IS NULL)
),
found AS (
    SELECT open_.source, open_.setting, open_.metric, count(*) AS trials, avg(ours.value) AS ours
    FROM open_
    JOIN ours ON ours.metric = open_.metric AND ours.dataset IS NOT DISTINCT FROM open_.da
    JOIN trial ON trial.id = ours.trial
    JOIN stream ON stream.name = trial.stream
    WHERE ours.value IS NOT NULL AND ours.task = coalesce(open_.ta, stream.tasks)
      AND (open_.b IS NULL OR open_.b = trial.backbone) AND (open_.st IS NULL OR open_.st = trial.stream) AND (open_.mx IS NULL OR open_.mx = trial.mixture)
      AND (open_.me IS NULL OR open_.me = lower(trial.method)) AND (open_.re IS NULL OR open_.re = trial.recipe) AND (open_.bu IS NULL OR open_.bu = trial.budget)
      AND (open_.su IS NULL OR open_.su = stream.suite)
    GROUP BY ALL
)
SELECT asked.source, asked.setting, asked.metric, asked.provenance, asked.value AS published, coalesce(found.trials, 0) AS trials, found.ours, found.ours - asked.value AS difference,
       CASE WHEN asked.provenance = 'unverified' THEN 'not compared: unverified'
            WHEN coalesce(asked.unknown_, '') <> '' THEN 'not compared: ' || asked.unknown_
            WHEN found.ours IS NULL THEN 'not measured'
            WHEN abs(found.ours - asked.value) <= tolerance THEN 'reproduced' ELSE 'differs' END AS verdict, asked.url
FROM asked LEFT JOIN found USING (source, setting, metric)
ORDER BY trials DESC, 1, 2, 3;
