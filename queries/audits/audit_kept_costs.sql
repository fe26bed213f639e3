-- Does what is kept of costs say something else than the facts? (No rows is good.)
-- grain: one row per (trial, phase) where it does
-- As `audit_kept`, of `kept_cost`: of up to 1,000 `neighbours`, drawn anew each time, those whose
-- costs are taken as they are kept.
CREATE OR REPLACE VIEW audit_kept_costs AS
WITH
anew AS MATERIALIZED (
    SELECT again.* FROM reckoned_costs(trials := 'neighbours') again
    ANTI JOIN unkept ON unkept.trial = again.trial
),
both_ AS (
    SELECT anew.trial, anew.phase, kept_cost.flops AS kept_flops, anew.flops,
           kept_cost.seconds AS kept_s, anew.seconds, kept_cost.peak_bytes AS kept_peak_bytes,
           anew.peak_bytes,
           [kept_cost.flops, kept_cost.seconds, kept_cost.peak_bytes, kept_cost.lost_flops,
            kept_cost.held_flops, kept_cost.held_s, kept_cost.held_peak_bytes, kept_cost.done_flops,
            kept_cost.done_s, kept_cost.repeated] AS said,
           [anew.flops, anew.seconds, anew.peak_bytes, anew.lost_flops, anew.held_flops,
            anew.held_s, anew.held_peak_bytes, anew.done_flops, anew.done_s, anew.repeated] AS is_
    FROM anew LEFT JOIN kept_cost ON kept_cost.trial = anew.trial AND kept_cost.phase = anew.phase
)
SELECT trial, phase, kept_flops, flops, kept_s, seconds AS s, kept_peak_bytes, peak_bytes
FROM both_
WHERE len(list_filter(list_zip(said, is_), lambda pair: (pair[1] IS NULL) <> (pair[2] IS NULL)
                                                       OR abs(pair[1] - pair[2])
                                                       > 1e-9 * abs(pair[2]))) > 0
ORDER BY trial, phase;
