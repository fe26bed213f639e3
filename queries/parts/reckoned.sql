-- What do the facts say of each task of these trials?
-- grain: one row per (trial, task) that has results, of the trials in the view `trials`
-- `trials` names a view or table with a column `trial`.
-- The columns of `kept_summary`, from `result` and `cost` anew. An attempt holds that is the newest
-- with results of the task; `step` is the last at which it measured: the end of the task. Attempts
-- that measured later hold nothing, and add the values that they brought; attempts that trained
-- again hold nothing. Means are of the suite
-- that is asked about (`asked_suite`), as
-- in `point`, what was spent as in `trajectory`.
CREATE OR REPLACE MACRO reckoned(trials VARCHAR := 'unkept') AS TABLE
WITH
asked AS MATERIALIZED (
    SELECT DISTINCT named.trial AS id FROM query_table(trials) named
),
of_result AS (
    SELECT result.* FROM result JOIN asked ON asked.id = result.trial
),
measuring AS (
    SELECT trial, attempt FROM attempt WHERE measures IS NOT NULL OR retrains IS NOT NULL
),
measured_later AS (
    SELECT later.* FROM later JOIN asked ON asked.id = later.trial
),
holds AS (
    -- of what trained first: measuring later and training again change nothing of what holds
    SELECT last.trial, last.task, max(last.attempt) AS attempt,
           arg_max(last.step, last.attempt) AS step
    FROM (SELECT of_result.trial, of_result.task, of_result.attempt, max(of_result.step) AS step
          FROM of_result ANTI JOIN measuring ON measuring.trial = of_result.trial
              AND measuring.attempt = of_result.attempt
          GROUP BY ALL) last
    GROUP BY ALL
),
members AS (
    SELECT suite_member.suite,
           count(*) FILTER (WHERE suite_member.role = 'adapt') AS adapt_wanted,
           count(*) FILTER (WHERE suite_member.role = 'retain') AS retain_wanted
    FROM suite_member GROUP BY suite_member.suite
),
placed AS (
    SELECT holds.*, trial.source IS NOT NULL AS elsewhere, asked_suite.suite,
           asked_suite.suite = asked_suite.own AS is_own, stream_seen.tasks,
           coalesce(members.adapt_wanted, 0) AS adapt_wanted,
           coalesce(members.retain_wanted, 0) AS retain_wanted, stream_seen.seen
    FROM holds
    LEFT JOIN trial ON trial.id = holds.trial
    LEFT JOIN asked_suite ON asked_suite.stream = trial.stream
    LEFT JOIN members ON members.suite = asked_suite.suite
    LEFT JOIN stream_seen ON stream_seen.stream = trial.stream
),
counted AS (
    SELECT of_result.trial, of_result.task,
           count(*) FILTER (WHERE of_result.attempt = holds.attempt
                            AND of_result.step < holds.step) AS within
    FROM of_result JOIN holds ON holds.trial = of_result.trial AND holds.task = of_result.task
    GROUP BY ALL
),
same AS (
    SELECT repeated.trial, repeated.task, count(*) AS repeated
    FROM (SELECT of_result.trial, of_result.task FROM of_result
          GROUP BY of_result.trial, of_result.task,
                   hash(of_result.attempt, of_result.step, of_result.dataset, of_result.metric,
               of_result.label_space, of_result.weights, of_result.fraction)
               HAVING count(*) > 1) repeated
    GROUP BY ALL
),
member_value AS (
    -- of each member the value that holds: the newest attempt's that has it
    SELECT placed.trial, placed.task, placed.suite, of_result.dataset, of_result.metric,
           of_result.label_space, of_result.value
    FROM of_result
    JOIN placed ON placed.trial = of_result.trial AND placed.task = of_result.task
        AND placed.attempt = of_result.attempt AND placed.step = of_result.step
    ANTI JOIN measured_later AS newer ON newer.trial = of_result.trial
        AND newer.task = of_result.task AND newer.dataset = of_result.dataset
        AND newer.metric = of_result.metric AND newer.label_space = of_result.label_space
        AND newer.weights = 'deployed' AND newer.fraction = 1
        AND coalesce(newer.suite, placed.suite) = placed.suite
    WHERE of_result.weights = 'deployed' AND of_result.fraction = 1
      AND (of_result.label_space <> 'union' OR placed.is_own)
    UNION ALL
    SELECT placed.trial, placed.task, placed.suite, measured_later.dataset, measured_later.metric,
           measured_later.label_space, measured_later.value
    FROM measured_later
    JOIN placed ON placed.trial = measured_later.trial AND placed.task = measured_later.task
    WHERE measured_later.weights = 'deployed' AND measured_later.fraction = 1
      AND coalesce(measured_later.suite, placed.suite) = placed.suite
),
mean AS (
    SELECT placed.trial, placed.task,
           -- fsum: the same to the last bit in whichever order the values come
           fsum(placed.value * suite_member.weight) FILTER (WHERE suite_member.role = 'adapt')
           / fsum(suite_member.weight) FILTER (WHERE suite_member.role = 'adapt') AS adapt,
           fsum(placed.value * suite_member.weight) FILTER (WHERE suite_member.role = 'retain')
           / fsum(suite_member.weight) FILTER (WHERE suite_member.role = 'retain') AS retain,
           count(*) FILTER (WHERE suite_member.role = 'adapt') AS adapt_measured,
           count(*) FILTER (WHERE suite_member.role = 'retain') AS retain_measured,
           count(DISTINCT suite_member.label_space) FILTER (WHERE suite_member.role = 'adapt')
           = 1 AS adapt_alike,
           count(DISTINCT suite_member.label_space) FILTER (WHERE suite_member.role = 'retain')
           = 1 AS retain_alike
    FROM member_value AS placed
    JOIN suite_member ON suite_member.suite = placed.suite
        AND suite_member.dataset = placed.dataset AND suite_member.metric = placed.metric
        AND suite_member.label_space = placed.label_space
    GROUP BY placed.trial, placed.task
),
charged AS (
    SELECT charged.trial, charged.task, sum(charged.flops) AS flops,
           sum(charged.seconds) AS seconds, sum(charged.steps) AS steps, sum(charged.pairs) AS pairs
    FROM (SELECT cost.* FROM cost JOIN asked ON asked.id = cost.trial) charged
    JOIN holds ON holds.trial = charged.trial AND holds.task = charged.task
        AND holds.attempt = charged.attempt
    WHERE charged.phase <> 'evaluate'
    GROUP BY charged.trial, charged.task
),
free AS (
    -- nothing is charged before the first cost; what was run elsewhere and has none is not known
    SELECT placed.trial, 0 AS spent FROM placed WHERE NOT placed.elsewhere
    UNION
    SELECT charged.trial, 0 FROM charged
),
whole AS (
    SELECT placed.*, coalesce(mean.adapt_measured, 0) AS adapt_measured,
           coalesce(mean.retain_measured, 0) AS retain_measured,
           CASE WHEN mean.adapt_measured = placed.adapt_wanted
                AND mean.adapt_alike THEN mean.adapt END AS a_ka,
           CASE WHEN mean.retain_measured = placed.retain_wanted
                AND mean.retain_alike THEN mean.retain END AS a_zs
    FROM placed LEFT JOIN mean ON mean.trial = placed.trial AND mean.task = placed.task
)
SELECT whole.trial, whole.task, whole.attempt, whole.step, whole.tasks, whole.a_ka, whole.a_zs,
       max(whole.a_ka) FILTER (WHERE whole.task = 0) OVER (PARTITION BY whole.trial) AS a_ka_0,
       max(whole.a_zs) FILTER (WHERE whole.task = 0) OVER (PARTITION BY whole.trial) AS a_zs_0,
       whole.adapt_measured, whole.adapt_wanted, whole.retain_measured, whole.retain_wanted,
       coalesce(sum(charged.flops) OVER so_far, free.spent) AS spent_flops,
       coalesce(sum(charged.seconds) OVER so_far, free.spent) AS spent_s,
       coalesce(sum(charged.steps) OVER so_far, free.spent)::BIGINT AS spent_steps,
       coalesce(sum(charged.pairs) OVER so_far, free.spent)::BIGINT AS spent_pairs,
       counted.within, coalesce(same.repeated, 0) AS repeated, whole.seen
FROM whole
JOIN counted ON counted.trial = whole.trial AND counted.task = whole.task
LEFT JOIN same ON same.trial = whole.trial AND same.task = whole.task
LEFT JOIN charged ON charged.trial = whole.trial AND charged.task = whole.task
LEFT JOIN free ON free.trial = whole.trial
WINDOW so_far AS (PARTITION BY whole.trial ORDER BY whole.task)
ORDER BY whole.trial, whole.task;
