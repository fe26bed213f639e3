-- Are the published numbers reproduced here?
-- grain: one row per (source, setting, metric) of reference_result
-- A published setting is a JSON object of our words (backbone, stream, mixture, method, recipe,
-- budget, suite), a dataset, and the task after which it was measured (left out: the last). ours:
-- mean over the trials that fit all of it, deployed weights, whole test sets; method names are
-- compared without regard to case. verdict: reproduced (within `tolerance` of the published value);
-- differs; not measured; not compared, where the setting has words that are not ours or names that
-- do not exist here (both are listed), or the number is unverified: those are never compared
-- silently.
CREATE OR REPLACE MACRO reproduced(tolerance DOUBLE := 0.005) AS TABLE
WITH
reference AS (
    SELECT source, setting, metric, value, provenance, url,
           CASE WHEN json_valid(setting) THEN setting::JSON END AS words
    FROM reference_result
),
read AS (
    SELECT reference.*, words ->> 'backbone' AS backbone, words ->> 'stream' AS stream,
           words ->> 'mixture' AS mixture, lower(words ->> 'method') AS method,
           words ->> 'recipe' AS recipe, words ->> 'budget' AS budget, words ->> 'suite' AS suite,
           words ->> 'dataset' AS dataset, try_cast(words ->> 'task' AS INTEGER) AS task,
           CASE WHEN words IS NULL THEN 'not a JSON object'
                ELSE list_aggregate(list_filter(list_sort(json_keys(words)), lambda key:
                    NOT list_contains(['backbone', 'stream', 'mixture', 'method', 'recipe',
                                       'budget', 'suite', 'dataset', 'task'], key)),
                    'string_agg', ', ')
                END AS foreign_words
    FROM reference
),
named AS (
    SELECT DISTINCT setting, words,
           unnest(['backbone', 'stream', 'mixture', 'method', 'recipe', 'budget', 'suite',
                   'dataset']) AS axis,
           unnest([backbone, stream, mixture, method, recipe, budget, suite, dataset]) AS name
    FROM read
),
existing AS (
    SELECT 'backbone' AS axis, name FROM backbone
    UNION ALL SELECT 'stream', name FROM stream
    UNION ALL SELECT 'mixture', name FROM mixture
    UNION ALL SELECT 'method', lower(name) FROM method
    UNION ALL SELECT 'recipe', name FROM recipe
    UNION ALL SELECT 'budget', name FROM budget
    UNION ALL SELECT 'suite', name FROM suite
    UNION ALL SELECT 'dataset', name FROM dataset
),
absent AS (
    -- as it is written in the setting, since that is where it would be corrected
    SELECT named.setting,
           string_agg(concat('no ', named.axis, ' ', named.words ->> named.axis), ', '
                                     ORDER BY named.axis) AS names
    FROM named ANTI JOIN existing ON existing.axis = named.axis AND existing.name = named.name
    WHERE named.name IS NOT NULL
    GROUP BY named.setting
),
comparable AS (
    SELECT read.*
    FROM read ANTI JOIN absent ON absent.setting = read.setting
    WHERE coalesce(foreign_words, '') = '' AND provenance <> 'unverified'
      AND (backbone IS NOT NULL OR stream IS NOT NULL)
),
ends AS (
    SELECT continual.trial, continual.tasks AS task, NULL::VARCHAR AS dataset, each.metric,
           each.value
    FROM continual, LATERAL (
        SELECT unnest(['acc_final', 'acc_all', 'acc_inc', 'acc_learn', 'transfer', 'tic_forward',
                       'tic_backward', 'bwt', 'fwt_zs', 'forgotten_mean']) AS metric,
               unnest([continual.acc_final, continual.acc_all, continual.acc_inc,
                       continual.acc_learn, continual.transfer, continual.tic_forward,
                       continual.tic_backward, continual.bwt, continual.fwt_zs,
                       continual.forgotten_mean]) AS value
    ) each
),
means AS (
    SELECT point.trial, point.task, NULL::VARCHAR AS dataset, each.metric, each.value
    FROM point, LATERAL (
        SELECT unnest(['a_ka', 'a_zs', 'gm']) AS metric,
               unnest([point.a_ka, point.a_zs, point.gm]) AS value
    ) each
),
ours AS (
    SELECT trial, task, dataset, metric, value
    FROM measured
    WHERE weights = 'deployed' AND fraction = 1 AND at_end AND label_space = 'all'
      AND dataset IN (SELECT comparable.dataset FROM comparable)
    UNION ALL
    FROM means
    WHERE metric IN (SELECT comparable.metric FROM comparable WHERE comparable.dataset IS NULL)
    UNION ALL
    FROM ends
    WHERE metric IN (SELECT comparable.metric FROM comparable WHERE comparable.dataset IS NULL)
),
fitting AS (
    SELECT comparable.source, comparable.setting, comparable.metric, count(*) AS trials,
           avg(ours.value) AS ours
    FROM comparable
    JOIN ours ON ours.metric = comparable.metric
             AND ours.dataset IS NOT DISTINCT FROM comparable.dataset
    JOIN trial ON trial.id = ours.trial AND trial.source IS NULL
    JOIN stream ON stream.name = trial.stream
    JOIN asked_suite ON asked_suite.stream = trial.stream
    WHERE ours.value IS NOT NULL AND ours.task = coalesce(comparable.task, stream.tasks)
      AND (comparable.backbone IS NULL OR comparable.backbone = trial.backbone)
      AND (comparable.stream IS NULL OR comparable.stream = trial.stream)
      AND (comparable.mixture IS NULL OR comparable.mixture = trial.mixture)
      AND (comparable.method IS NULL OR comparable.method = lower(trial.method))
      AND (comparable.recipe IS NULL OR comparable.recipe = trial.recipe)
      AND (comparable.budget IS NULL OR comparable.budget = trial.budget)
      AND (comparable.suite IS NULL OR comparable.suite = asked_suite.suite)
    GROUP BY ALL
)
SELECT read.source, read.setting, read.metric, read.provenance, read.value AS published,
       coalesce(fitting.trials, 0) AS trials, fitting.ours, fitting.ours - read.value AS difference,
       CASE WHEN read.provenance = 'unverified' THEN 'not compared: unverified'
            WHEN coalesce(read.foreign_words, '') <> '' THEN 'not compared: ' || read.foreign_words
            WHEN absent.names IS NOT NULL THEN 'not compared: ' || absent.names
            WHEN fitting.ours IS NULL THEN 'not measured'
            WHEN abs(fitting.ours - read.value) <= tolerance THEN 'reproduced'
            ELSE 'differs' END AS verdict,
       read.url
FROM read
LEFT JOIN fitting USING (source, setting, metric)
LEFT JOIN absent ON absent.setting = read.setting
ORDER BY trials DESC, 1, 2, 3;
