-- Does what is kept say something else than the facts? (No rows is good.)
-- grain: one row per (trial, task) where it does
-- Of up to 1,000 `neighbours`, drawn anew each time, those whose summary is taken as it is kept. It
-- finds what nobody should do: a row of `result` or `cost` rewritten in place. `DELETE FROM
-- kept_until` has the next pass of sync make all of it anew.
CREATE OR REPLACE VIEW audit_kept AS
WITH
anew AS MATERIALIZED (
    SELECT r.* FROM reckoned(trials := 'neighbours') r ANTI JOIN unkept u ON u.trial = r.trial
),
both_ AS (
    SELECT a.trial, a.task, k.attempt AS kept_attempt, a.attempt, k.a_ka AS kept_a_ka, a.a_ka, k.a_zs AS kept_a_zs, a.a_zs,
           k.spent_flops AS kept_flops, a.spent_flops AS flops,
           [k.a_ka, k.a_zs, k.a_ka_0, k.a_zs_0, k.spent_flops, k.spent_s, k.attempt, k.step, k.tasks, k.adapt_measured, k.adapt_wanted,
            k.retain_measured, k.retain_wanted, k.spent_steps, k.spent_pairs] AS said,
           [a.a_ka, a.a_zs, a.a_ka_0, a.a_zs_0, a.spent_flops, a.spent_s, a.attempt, a.step, a.tasks, a.adapt_measured, a.adapt_wanted,
            a.retain_measured, a.retain_wanted, a.spent_steps, a.spent_pairs] AS is_
    FROM anew a LEFT JOIN kept_summary k ON k.trial = a.trial AND k.task = a.task
)
SELECT trial, task, kept_attempt, attempt, kept_a_ka, a_ka, kept_a_zs, a_zs, kept_flops, flops
FROM both_
WHERE len(list_filter(list_zip(said, is_), lambda pair: (pair[1] IS NULL) <> (pair[2] IS NULL)
                                                       OR abs(pair[1] - pair[2]) > 1e-9 * abs(pair[2]))) > 0
ORDER BY trial, task;
