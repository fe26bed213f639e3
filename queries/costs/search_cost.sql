-- What did each study spend, everything that was tried included?
-- grain: one row per study (NULL: trials of none)
-- As NEVIS'22 (arXiv 2211.11747) charges a search: all trials and all their attempts, lost and
-- failed ones too, because somebody paid for them. evaluate_pflops is part of pflops. lost_share:
-- of the FLOPs, those of attempts whose results do not stand.
CREATE OR REPLACE VIEW search_cost AS
SELECT t.study, count(DISTINCT c.trial) AS trials, sum(c.flops) / 1e15 AS pflops,
       coalesce(sum(c.flops) FILTER (WHERE c.phase = 'evaluate'), 0) / 1e15 AS evaluate_pflops, sum(c.seconds) / 3600 AS hours,
       sum(c.lost_flops) / nullif(sum(c.flops), 0) AS lost_share
FROM costs c JOIN trial t ON t.id = c.trial
GROUP BY t.study
ORDER BY study;
