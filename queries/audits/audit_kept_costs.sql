-- Does what is kept of costs say something else than the facts? (No rows is good.)
-- grain: one row per (trial, phase) where it does
-- As `audit_kept`, of `kept_cost`: of up to 1,000 `neighbours`, drawn anew each time, those whose
-- costs are taken as they are kept.
CREATE OR REPLACE VIEW audit_kept_costs AS
WITH
anew AS MATERIALIZED (
    SELECT r.* FROM reckoned_costs(trials := 'neighbours') r ANTI JOIN unkept u ON u.trial = r.trial
),
both_ AS (
    SELECT a.trial, a.phase, k.flops AS kept_flops, a.flops, k.seconds AS kept_s, a.seconds, k.peak_bytes AS kept_peak_bytes, a.peak_bytes,
           [k.flops, k.seconds, k.peak_bytes, k.lost_flops, k.held_flops, k.held_s, k.held_peak_bytes, k.done_flops, k.done_s, k.repeated] AS said,
           [a.flops, a.seconds, a.peak_bytes, a.lost_flops, a.held_flops, a.held_s, a.held_peak_bytes, a.done_flops, a.done_s, a.repeated] AS is_
    FROM anew a LEFT JOIN kept_cost k ON k.trial = a.trial AND k.phase = a.phase
)
SELECT trial, phase, kept_flops, flops, kept_s, seconds AS s, kept_peak_bytes, peak_bytes
FROM both_
WHERE len(list_filter(list_zip(said, is_), lambda pair: (pair[1] IS NULL) <> (pair[2] IS NULL)
                                                       OR abs(pair[1] - pair[2]) > 1e-9 * abs(pair[2]))) > 0
ORDER BY trial, phase;
