-- What did each task come to, kept or reckoned?
-- grain: one row per (trial, task) that has results
-- The rows of `task_sums`. Many answers begin here: with every trial kept they read one row per
-- task, not each result. d_ka, d_zs and zs_ratio compare with task 0, the untouched backbone; it is
-- not sorted, which would take a while.
CREATE OR REPLACE VIEW summary AS
SELECT *, sqrt(a_ka * a_zs) AS gm, a_ka - a_ka_0 AS d_ka, a_zs - a_zs_0 AS d_zs,
       a_zs / nullif(a_zs_0, 0) AS zs_ratio
FROM task_sums;
