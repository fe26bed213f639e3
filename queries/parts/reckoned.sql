-- What do the facts say of each task of these trials?
-- grain: one row per (trial, task) that has results, of the trials in the view or table that `trials` names (a column `trial`)
-- The columns of `kept_summary`, from `result` and `cost` anew. An attempt holds that is the newest
-- with results of the task; `step` is the last at which it measured: the end of the task. Means as
-- in `point`, what was spent as in `trajectory`.
CREATE OR REPLACE MACRO reckoned(trials VARCHAR := 'unkept') AS TABLE
WITH
asked AS MATERIALIZED (
    SELECT DISTINCT q.trial AS id FROM query_table(trials) q
),
of_result AS (
    SELECT r.* FROM result r JOIN asked a ON a.id = r.trial
),
holds AS (
    SELECT h.trial, h.task, max(h.attempt) AS attempt, arg_max(h.step, h.attempt) AS step
    FROM (SELECT r.trial, r.task, r.attempt, max(r.step) AS step FROM of_result r GROUP BY ALL) h
    GROUP BY ALL
),
placed AS (
    SELECT h.*, st.suite, s.tasks, coalesce(s.adapt_wanted, 0) AS adapt_wanted, coalesce(s.retain_wanted, 0) AS retain_wanted, s.seen
    FROM holds h
    LEFT JOIN trial t ON t.id = h.trial
    LEFT JOIN stream st ON st.name = t.stream
    LEFT JOIN stream_seen s ON s.stream = t.stream
),
counted AS (
    SELECT r.trial, r.task, count(*) FILTER (WHERE r.attempt = h.attempt AND r.step < h.step) AS within
    FROM of_result r JOIN holds h ON h.trial = r.trial AND h.task = r.task
    GROUP BY ALL
),
same AS (
    SELECT s.trial, s.task, count(*) AS repeated
    FROM (SELECT r.trial, r.task FROM of_result r
          GROUP BY r.trial, r.task, hash(r.attempt, r.step, r.dataset, r.metric, r.label_space, r.weights, r.fraction) HAVING count(*) > 1) s
    GROUP BY ALL
),
mean AS (
    SELECT p.trial, p.task,
           sum(r.value * m.weight) FILTER (WHERE m.role = 'adapt') / sum(m.weight) FILTER (WHERE m.role = 'adapt') AS adapt,
           sum(r.value * m.weight) FILTER (WHERE m.role = 'retain') / sum(m.weight) FILTER (WHERE m.role = 'retain') AS retain,
           count(*) FILTER (WHERE m.role = 'adapt') AS adapt_measured,
           count(*) FILTER (WHERE m.role = 'retain') AS retain_measured,
           count(DISTINCT m.label_space) FILTER (WHERE m.role = 'adapt') = 1 AS adapt_alike,
           count(DISTINCT m.label_space) FILTER (WHERE m.role = 'retain') = 1 AS retain_alike
    FROM of_result r
    JOIN placed p ON p.trial = r.trial AND p.task = r.task AND p.attempt = r.attempt AND p.step = r.step
    JOIN suite_member m ON m.suite = p.suite AND m.dataset = r.dataset AND m.metric = r.metric AND m.label_space = r.label_space
    WHERE r.weights = 'deployed' AND r.fraction = 1
    GROUP BY p.trial, p.task
),
charged AS (
    SELECT c.trial, c.task, sum(c.flops) AS flops, sum(c.seconds) AS seconds, sum(c.steps) AS steps, sum(c.pairs) AS pairs
    FROM (SELECT c.* FROM cost c JOIN asked a ON a.id = c.trial) c
    JOIN holds h ON h.trial = c.trial AND h.task = c.task AND h.attempt = c.attempt
    WHERE c.phase <> 'evaluate'
    GROUP BY c.trial, c.task
),
whole AS (
    SELECT p.*, coalesce(m.adapt_measured, 0) AS adapt_measured, coalesce(m.retain_measured, 0) AS retain_measured,
           CASE WHEN m.adapt_measured = p.adapt_wanted AND m.adapt_alike THEN m.adapt END AS a_ka,
           CASE WHEN m.retain_measured = p.retain_wanted AND m.retain_alike THEN m.retain END AS a_zs
    FROM placed p LEFT JOIN mean m ON m.trial = p.trial AND m.task = p.task
)
SELECT w.trial, w.task, w.attempt, w.step, w.tasks, w.a_ka, w.a_zs,
       max(w.a_ka) FILTER (WHERE w.task = 0) OVER (PARTITION BY w.trial) AS a_ka_0,
       max(w.a_zs) FILTER (WHERE w.task = 0) OVER (PARTITION BY w.trial) AS a_zs_0,
       w.adapt_measured, w.adapt_wanted, w.retain_measured, w.retain_wanted,
       coalesce(sum(c.flops) OVER so_far, 0) AS spent_flops, coalesce(sum(c.seconds) OVER so_far, 0) AS spent_s,
       coalesce(sum(c.steps) OVER so_far, 0)::BIGINT AS spent_steps, coalesce(sum(c.pairs) OVER so_far, 0)::BIGINT AS spent_pairs,
       n.within, coalesce(d.repeated, 0) AS repeated, w.seen
FROM whole w
JOIN counted n ON n.trial = w.trial AND n.task = w.task
LEFT JOIN same d ON d.trial = w.trial AND d.task = w.task
LEFT JOIN charged c ON c.trial = w.trial AND c.task = w.task
WINDOW so_far AS (PARTITION BY w.trial ORDER BY w.task)
ORDER BY w.trial, w.task;
