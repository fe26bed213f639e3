-- How does each trial score by the measures of continual learning?
-- grain: one row per (trial, label_space) whose stream has a task matrix (`task_matrix`) that is measured whole, task 0 included
-- R[t, e]: value of column e after task t, T tasks. acc_final (MTIL Last): mean R[T, e]. acc_all (MTIL Avg): mean of all R[t >= 1, e],
-- tasks not seen yet too. acc_inc: mean over t of the mean R[t, e <= t]. acc_learn (TiC in-domain): mean R[e, e]. transfer (MTIL):
-- mean over columns e >= 2 of the mean R[1 <= t < e, e]. tic_forward, tic_backward: pooled means of R[t >= 1, e > t], R[t, e < t].
-- bwt: mean over e < T of R[T, e] - R[e, e]. fwt_zs: mean over e >= 2 of R[e - 1, e] - R[0, e], below 0: damage. forgotten_mean: mean
-- over e < T of max R[e <= t < T, e] - R[T, e]. (ZSCL arXiv 2303.06628, GEM arXiv 1706.08840, TiC-CLIP arXiv 2310.16226)
CREATE OR REPLACE VIEW continual AS
WITH
sized AS (
    SELECT m.*, max(learned) OVER (PARTITION BY trial, label_space) AS tasks FROM task_matrix m
),
columns_ AS (
    SELECT trial, label_space, tasks, learned, count(value) AS known,
           max(value) FILTER (WHERE task = tasks) AS at_end,
           max(value) FILTER (WHERE task = learned) AS at_once,
           avg(value) FILTER (WHERE task >= 1 AND task < learned) AS before,
           max(value) FILTER (WHERE task = learned - 1) AS just_before,
           max(value) FILTER (WHERE task = 0) AS untouched,
           max(value) FILTER (WHERE task >= learned AND task < tasks) AS best
    FROM sized
    GROUP BY trial, label_space, tasks, learned
),
rows_ AS (
    SELECT trial, label_space, task,
           avg(value) FILTER (WHERE learned <= task) AS seen,
           sum(value) AS sum_all,
           sum(value) FILTER (WHERE learned < task) AS sum_past,
           sum(value) FILTER (WHERE learned > task) AS sum_future
    FROM sized
    WHERE task >= 1 AND task <= tasks
    GROUP BY trial, label_space, task
),
by_column AS (
    SELECT trial, label_space, tasks,
           avg(at_end) AS acc_final, avg(at_once) AS acc_learn, avg(before) FILTER (WHERE learned >= 2) AS transfer,
           avg(at_end - at_once) FILTER (WHERE learned < tasks) AS bwt,
           avg(just_before - untouched) FILTER (WHERE learned >= 2) AS fwt_zs,
           avg(best - at_end) FILTER (WHERE learned < tasks) AS forgotten_mean
    FROM columns_
    GROUP BY trial, label_space, tasks
    HAVING sum(known) = tasks * (tasks + 1) AND count(*) = tasks
),
by_row AS (
    SELECT trial, label_space, avg(seen) AS acc_inc, sum(sum_all) AS sum_all, sum(sum_past) AS sum_past, sum(sum_future) AS sum_future
    FROM rows_
    GROUP BY trial, label_space
)
SELECT t.study, t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed, c.trial, c.label_space, c.tasks,
       c.acc_final, r.sum_all / (c.tasks * c.tasks) AS acc_all, r.acc_inc, c.acc_learn, c.transfer,
       r.sum_future / nullif(c.tasks * (c.tasks - 1) / 2, 0) AS tic_forward,
       r.sum_past / nullif(c.tasks * (c.tasks - 1) / 2, 0) AS tic_backward,
       c.bwt, c.fwt_zs, c.forgotten_mean
FROM by_column c
JOIN by_row r USING (trial, label_space)
JOIN trial t ON t.id = c.trial
ORDER BY c.trial, c.label_space;
