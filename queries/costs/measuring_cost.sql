-- What will the pending measurements cost?
-- grain: one row per (suite, backbone) with measurements that may start now
-- Of what is `measurable`, without any training. trials: how many; missing: datasets of tasks that
-- are not measured yet. seconds: of a worker, by what an image has taken the backbone so far in
-- evaluations here; unknown: of these what is not in it, as the backbone has measured nothing yet or
-- the dataset does not say its test_pairs. Task 0 is the same for all trials of a backbone and is measured
-- once.
CREATE OR REPLACE VIEW measuring_cost AS
WITH
rate AS (
    SELECT trial.backbone, sum(cost.seconds) / nullif(sum(cost.pairs), 0) AS image_s
    FROM cost JOIN trial ON trial.id = cost.trial
    WHERE cost.phase IN ('evaluate', 'measure') AND NOT cost.shared
    GROUP BY trial.backbone
),
lacking AS (
    SELECT measurable.measures AS suite, measurable.backbone, measurable.trial, unmeasured.task,
           unmeasured.dataset,
           unmeasured.task > 0 OR measurable.trial = min(measurable.trial)
               OVER (PARTITION BY measurable.measures, measurable.backbone) AS is_done
    FROM measurable
    JOIN unmeasured ON unmeasured.trial = measurable.trial
        AND unmeasured.suite = measurable.measures
)
SELECT lacking.suite, lacking.backbone, count(DISTINCT lacking.trial) AS trials,
       count(*) AS missing,
       sum(dataset.test_pairs * rate.image_s) FILTER (WHERE lacking.is_done) AS seconds,
       count(*) - count(dataset.test_pairs * rate.image_s) AS unknown
FROM lacking
LEFT JOIN dataset ON dataset.name = lacking.dataset
LEFT JOIN rate ON rate.backbone = lacking.backbone
GROUP BY lacking.suite, lacking.backbone
ORDER BY lacking.suite, lacking.backbone;
