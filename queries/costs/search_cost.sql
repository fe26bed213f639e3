-- What did each study spend, everything that was tried included?
-- grain: one row per study (NULL: trials of none)
-- As NEVIS'22 (arXiv 2211.11747) charges a search: all trials and all their attempts, lost and
-- failed ones too, because somebody paid for them. evaluate_pflops is part of pflops. lost_share:
-- of the FLOPs, those of attempts whose results do not stand. Without what was run elsewhere.
CREATE OR REPLACE VIEW search_cost AS
SELECT trial.study, count(DISTINCT costs.trial) AS trials, sum(costs.flops) / 1e15 AS pflops,
       coalesce(sum(costs.flops) FILTER (WHERE costs.phase = 'evaluate'), 0)
       / 1e15 AS evaluate_pflops, sum(costs.seconds) / 3600 AS hours,
       sum(costs.lost_flops) / nullif(sum(costs.flops), 0) AS lost_share
FROM costs JOIN trial ON trial.id = costs.trial AND trial.source IS NULL
GROUP BY trial.study
ORDER BY study;
