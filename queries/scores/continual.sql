-- How does each trial score by the measures of continual learning?
-- grain: one row per (trial, label_space) whose task matrix is measured whole
-- The matrix is that of `task_matrix`, task 0 included.
-- R[t, e]: value of column e after task t, T tasks. acc_final (MTIL Last): mean R[T, e]. acc_all
-- (MTIL Avg): mean of all R[t >= 1, e], tasks not seen yet too. acc_inc: mean over t of the mean
-- R[t, e <= t]. acc_learn (TiC in-domain): mean R[e, e]. transfer (MTIL): mean over columns e >= 2
-- of the mean R[1 <= t < e, e]. tic_forward, tic_backward: pooled means of R[t >= 1, e > t], R[t, e
-- < t]. bwt: mean over e < T of R[T, e] - R[e, e]. fwt_zs: mean over e >= 2 of R[e - 1, e] - R[0,
-- e], below 0: damage. forgotten_mean: mean over e < T of max R[e <= t < T, e] - R[T, e]. (ZSCL
-- arXiv 2303.06628, GEM arXiv 1706.08840, TiC-CLIP arXiv 2310.16226)
CREATE OR REPLACE VIEW continual AS
WITH
sized AS (
    SELECT task_matrix.*, stream.tasks FROM task_matrix
    JOIN stream ON stream.name = task_matrix.stream
),
columns_ AS (
    SELECT study, backbone, stream, mixture, method, recipe, budget, seed, trial, label_space,
           tasks, learned, count(value) AS known,
           max(value) FILTER (WHERE task = tasks) AS at_end,
           max(value) FILTER (WHERE task = learned) AS at_once,
           avg(value) FILTER (WHERE task >= 1 AND task < learned) AS before,
           max(value) FILTER (WHERE task = learned - 1) AS just_before,
           max(value) FILTER (WHERE task = 0) AS untouched,
           max(value) FILTER (WHERE task >= learned AND task < tasks) AS best,
           sum(value) FILTER (WHERE task >= 1 AND task <= tasks) AS sum_all,
           sum(value / task) FILTER (WHERE task >= learned AND task <= tasks) AS sum_seen,
           -- task t has seen t columns
           sum(value) FILTER (WHERE task > learned AND task <= tasks) AS sum_past,
           sum(value) FILTER (WHERE task >= 1 AND task < learned) AS sum_future
    FROM sized
    GROUP BY study, backbone, stream, mixture, method, recipe, budget, seed, trial, label_space,
             tasks, learned
)
SELECT study, backbone, stream, mixture, method, recipe, budget, seed, trial, label_space, tasks,
       avg(at_end) AS acc_final, sum(sum_all) / (tasks * tasks) AS acc_all,
       sum(sum_seen) / tasks AS acc_inc, avg(at_once) AS acc_learn,
       avg(before) FILTER (WHERE learned >= 2) AS transfer,
       sum(sum_future) / nullif(tasks * (tasks - 1) / 2, 0) AS tic_forward,
       sum(sum_past) / nullif(tasks * (tasks - 1) / 2, 0) AS tic_backward,
       avg(at_end - at_once) FILTER (WHERE learned < tasks) AS bwt,
       avg(just_before - untouched) FILTER (WHERE learned >= 2) AS fwt_zs,
       avg(best - at_end) FILTER (WHERE learned < tasks) AS forgotten_mean
FROM columns_
GROUP BY study, backbone, stream, mixture, method, recipe, budget, seed, trial, label_space, tasks
HAVING sum(known) = tasks * (tasks + 1) AND count(*) = tasks
ORDER BY trial, label_space;
