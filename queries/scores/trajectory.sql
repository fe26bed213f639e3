-- How do learning and retention develop along the stream, and at what cost?
-- grain: one row per (trial, task) that has results
-- d_ka, d_zs and zs_ratio compare with task 0, the untouched backbone. spent_*: everything but
-- evaluation, summed over the tasks so far, of the attempts that hold; what lost attempts spent
-- besides is in `status`.
CREATE OR REPLACE VIEW trajectory AS
SELECT t.study, t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed, s.trial, s.task, s.tasks,
       s.a_ka, s.a_zs, s.gm, s.d_ka, s.d_zs, s.zs_ratio, s.spent_flops, s.spent_s, s.spent_steps, s.spent_pairs
FROM summary s JOIN trial t ON t.id = s.trial
ORDER BY s.trial, s.task;
