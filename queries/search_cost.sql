-- What did each study spend, everything that was tried included?
-- grain: one row per study (NULL: trials of none)
-- As NEVIS'22 (arXiv 2211.11747) charges a search: all trials and all their attempts, lost and failed ones too, because somebody paid for
-- them. evaluate_pflops is part of pflops. lost_share: of the FLOPs, those of attempts whose results do not stand.
CREATE OR REPLACE VIEW search_cost AS
WITH
charged AS (
    SELECT t.study, c.trial, c.phase, c.flops, c.seconds, s.attempt IS NOT NULL AS stands
    FROM cost c
    JOIN trial t ON t.id = c.trial
    LEFT JOIN standing s USING (trial, task, attempt)
)
SELECT study, count(DISTINCT trial) AS trials, sum(flops) / 1e15 AS pflops,
       coalesce(sum(flops) FILTER (WHERE phase = 'evaluate'), 0) / 1e15 AS evaluate_pflops, sum(seconds) / 3600 AS hours,
       coalesce(sum(flops) FILTER (WHERE NOT stands), 0) / nullif(sum(flops), 0) AS lost_share
FROM charged
GROUP BY study
ORDER BY study;
