-- How does a trial go that measures only parts of its test sets during the stream?
-- grain: one row per (trial, task) of a stream whose suite has a `subset` below 1
-- Task 0 is the untouched backbone.
-- As `point`, but on the same part of each test set after every task, the ends too: at least 300
-- images and two of each class, or all of a test set that has no more. share: of all its test
-- images that were measured. Compare such values with each other alone.
CREATE OR REPLACE VIEW during AS
WITH
parted AS (
    SELECT trial.id AS trial FROM trial JOIN asked_suite ON asked_suite.stream = trial.stream
    JOIN suite ON suite.name = asked_suite.suite WHERE suite.subset < 1
),
part AS (
    -- of each member the smallest part that was measured: at the ends there is the whole test set
    -- besides
    SELECT trial, task, role, dataset, metric, label_space, weight,
           arg_min(value, fraction) AS value,
           arg_min(examples, fraction) AS examples,
           arg_min(examples / fraction, fraction) AS images,
           count(DISTINCT fraction) = count(*) AS once
    FROM measured JOIN parted USING (trial)
    WHERE weights = 'deployed' AND at_end
    GROUP BY ALL
),
wanted AS (
    SELECT stream.name AS stream, count(*) FILTER (WHERE role = 'adapt') AS adapt_wanted,
           count(*) FILTER (WHERE role = 'retain') AS retain_wanted
    FROM stream JOIN asked_suite ON asked_suite.stream = stream.name
    JOIN suite ON suite.name = asked_suite.suite
    JOIN suite_member ON suite_member.suite = asked_suite.suite
    WHERE suite.subset < 1
    GROUP BY stream.name
),
mean AS (
    SELECT trial, task, sum(examples) / sum(images) AS share,
           sum(value * weight) FILTER (WHERE role = 'adapt') / sum(weight)
           FILTER (WHERE role = 'adapt') AS adapt,
           sum(value * weight) FILTER (WHERE role = 'retain') / sum(weight)
           FILTER (WHERE role = 'retain') AS retain,
           count(*) FILTER (WHERE role = 'adapt' AND once) AS adapt_measured,
           count(*) FILTER (WHERE role = 'retain' AND once) AS retain_measured,
           count(DISTINCT label_space) FILTER (WHERE role = 'adapt') = 1 AS adapt_alike,
           count(DISTINCT label_space) FILTER (WHERE role = 'retain') = 1 AS retain_alike
    FROM part
    GROUP BY trial, task
),
both_ AS (
    SELECT mean.trial, mean.task, mean.share,
           CASE WHEN adapt_measured = adapt_wanted AND adapt_alike THEN adapt END AS a_ka,
           CASE WHEN retain_measured = retain_wanted AND retain_alike THEN retain END AS a_zs,
           adapt_measured, adapt_wanted, retain_measured, retain_wanted
    FROM mean JOIN trial ON trial.id = mean.trial JOIN wanted ON wanted.stream = trial.stream
)
SELECT trial, task, a_ka, a_zs, sqrt(a_ka * a_zs) AS gm, share, adapt_measured, adapt_wanted,
       retain_measured, retain_wanted
FROM both_
ORDER BY trial, task;
