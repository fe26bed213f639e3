-- What did each trial come to, by one measure?
-- grain: one row per trial at the end of its stream, or after task `after_task`
-- value: a_ka, a_zs, gm, d_ka, d_zs or zs_ratio as in `trajectory`, after that task. Every
-- question that takes a measure begins here. resolution: what the test sets can tell apart in it
-- (`resolution`), to first order. untouched: the value of the backbone as it was. gflops:
-- everything spent until then but evaluation.
CREATE OR REPLACE MACRO at_end(measure VARCHAR := 'gm', after_task INTEGER := NULL) AS TABLE
SELECT trial.study, trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe,
       trial.budget,
       trial.seed, summary.trial,
       CASE measure
           WHEN 'a_ka' THEN summary.a_ka WHEN 'a_zs' THEN summary.a_zs WHEN 'gm' THEN summary.gm
           WHEN 'd_ka' THEN summary.d_ka WHEN 'd_zs' THEN summary.d_zs
           WHEN 'zs_ratio' THEN summary.zs_ratio
           ELSE error('measure is one of a_ka, a_zs, gm, d_ka, d_zs, zs_ratio; not ' || measure)
       END AS value,
       CASE measure
           WHEN 'a_ka' THEN resolution.a_ka WHEN 'd_ka' THEN resolution.a_ka
           WHEN 'zs_ratio' THEN resolution.a_zs / nullif(summary.a_zs_0, 0)
           WHEN 'gm' THEN sqrt((resolution.a_ka * summary.a_zs) ** 2
                               + (resolution.a_zs * summary.a_ka) ** 2)
                          / nullif(2 * summary.gm, 0)
           ELSE resolution.a_zs
       END AS resolution,
       CASE measure
           WHEN 'a_ka' THEN summary.a_ka_0 WHEN 'a_zs' THEN summary.a_zs_0
           WHEN 'gm' THEN sqrt(summary.a_ka_0 * summary.a_zs_0) WHEN 'zs_ratio' THEN 1 ELSE 0
       END::DOUBLE AS untouched,
       summary.d_ka, summary.d_zs, summary.spent_flops / 1e9 AS gflops
FROM summary
JOIN trial ON trial.id = summary.trial
LEFT JOIN resolution ON resolution.stream = trial.stream
WHERE summary.task = coalesce(after_task, summary.tasks);
