-- How do learning and retention develop along the stream, and at what cost?
-- grain: one row per (trial, task) that has results
-- d_ka, d_zs and zs_ratio compare with task 0, the untouched backbone. spent_*: everything but
-- evaluation, summed over the tasks so far, of the attempts that hold; what lost attempts spent
-- besides is in `status`.
CREATE OR REPLACE VIEW trajectory AS
SELECT trial.study, trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe,
       trial.budget, trial.seed, summary.trial, summary.task, summary.tasks,
       summary.a_ka, summary.a_zs, summary.gm, summary.d_ka, summary.d_zs, summary.zs_ratio,
       summary.spent_flops, summary.spent_s, summary.spent_steps, summary.spent_pairs
FROM summary JOIN trial ON trial.id = summary.trial
ORDER BY summary.trial, summary.task;
