-- Does what is kept say something else than the facts? (No rows is good.)
-- grain: one row per (trial, task) where it does
-- Of up to 1,000 `neighbours`, drawn anew each time, those whose summary is taken as it is kept. It
-- finds what nobody should do: a row of `result` or `cost` rewritten in place. `DELETE FROM
-- kept_until` has the next pass of sync make all of it anew.
CREATE OR REPLACE VIEW audit_kept AS
WITH
anew AS MATERIALIZED (
    SELECT again.* FROM reckoned(trials := 'neighbours') again
    ANTI JOIN unkept ON unkept.trial = again.trial
),
both_ AS (
    SELECT anew.trial, anew.task, kept_summary.attempt AS kept_attempt, anew.attempt,
           kept_summary.a_ka AS kept_a_ka, anew.a_ka, kept_summary.a_zs AS kept_a_zs, anew.a_zs,
           kept_summary.spent_flops AS kept_flops, anew.spent_flops AS flops,
           [kept_summary.a_ka, kept_summary.a_zs, kept_summary.a_ka_0, kept_summary.a_zs_0,
            kept_summary.spent_flops, kept_summary.spent_s, kept_summary.attempt, kept_summary.step,
            kept_summary.tasks, kept_summary.adapt_measured, kept_summary.adapt_wanted,
            kept_summary.retain_measured, kept_summary.retain_wanted, kept_summary.spent_steps,
            kept_summary.spent_pairs] AS said,
           [anew.a_ka, anew.a_zs, anew.a_ka_0, anew.a_zs_0, anew.spent_flops, anew.spent_s,
            anew.attempt, anew.step, anew.tasks, anew.adapt_measured, anew.adapt_wanted,
            anew.retain_measured, anew.retain_wanted, anew.spent_steps, anew.spent_pairs] AS is_
    FROM anew
    LEFT JOIN kept_summary ON kept_summary.trial = anew.trial AND kept_summary.task = anew.task
)
SELECT trial, task, kept_attempt, attempt, kept_a_ka, a_ka, kept_a_zs, a_zs, kept_flops, flops
FROM both_
WHERE len(list_filter(list_zip(said, is_), lambda pair: (pair[1] IS NULL) <> (pair[2] IS NULL)
                                                       OR abs(pair[1] - pair[2])
                                                       > 1e-9 * abs(pair[2]))) > 0
ORDER BY trial, task;
