-- How much was learned and how much kept, after every task?
-- grain: one row per (trial, task) that has results; task 0 is the untouched backbone
-- a_ka (knowledge accumulation): weighted mean of the suite's adapt members; a_zs (zero-shot retention): of its retain members;
-- gm = sqrt(a_ka * a_zs), as FoMo-in-Flux defines them. Deployed weights, whole test sets, end of task. A mean over other members
-- than the suite's, each once, would be another number: it is NULL, and *_measured against *_wanted says why. So would one over several
-- label spaces be. What a suite measures on parts of its test sets between the ends is in `during`.
CREATE OR REPLACE VIEW point AS
WITH
wanted AS (
    SELECT st.name AS stream, count(*) FILTER (WHERE role = 'adapt') AS adapt_wanted,
           count(*) FILTER (WHERE role = 'retain') AS retain_wanted
    FROM stream st JOIN suite_member m ON m.suite = st.suite
    GROUP BY st.name
),
mean AS (
    SELECT trial, task,
           sum(value * weight) FILTER (WHERE role = 'adapt') / sum(weight) FILTER (WHERE role = 'adapt') AS adapt,
           sum(value * weight) FILTER (WHERE role = 'retain') / sum(weight) FILTER (WHERE role = 'retain') AS retain,
           count(*) FILTER (WHERE role = 'adapt') AS adapt_measured,
           count(*) FILTER (WHERE role = 'retain') AS retain_measured,
           count(DISTINCT label_space) FILTER (WHERE role = 'adapt') = 1 AS adapt_alike,
           count(DISTINCT label_space) FILTER (WHERE role = 'retain') = 1 AS retain_alike
    FROM measured
    WHERE weights = 'deployed' AND fraction = 1 AND at_end
    GROUP BY trial, task
),
whole AS (
    SELECT s.trial, s.task, s.attempt,
           CASE WHEN m.adapt_measured = w.adapt_wanted AND m.adapt_alike THEN m.adapt END AS a_ka,
           CASE WHEN m.retain_measured = w.retain_wanted AND m.retain_alike THEN m.retain END AS a_zs,
           coalesce(m.adapt_measured, 0) AS adapt_measured, coalesce(w.adapt_wanted, 0) AS adapt_wanted,
           coalesce(m.retain_measured, 0) AS retain_measured, coalesce(w.retain_wanted, 0) AS retain_wanted
    FROM standing s
    JOIN trial t ON t.id = s.trial
    LEFT JOIN wanted w ON w.stream = t.stream
    LEFT JOIN mean m ON m.trial = s.trial AND m.task = s.task
)
SELECT trial, task, attempt, a_ka, a_zs, sqrt(a_ka * a_zs) AS gm, adapt_measured, adapt_wanted, retain_measured, retain_wanted
FROM whole
ORDER BY trial, task;
