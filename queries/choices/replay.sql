-- How much replay, and of what, is enough?
-- grain: one row per (backbone, stream, method, recipe, budget, mixture) with a trial at the end of its stream
-- `effect` along the mixtures, with their shares. behind, verdict: against the best mixture of the same sentence, paired by seed.
CREATE OR REPLACE MACRO replay(measure VARCHAR := 'gm') AS TABLE
SELECT e.backbone, e.stream, e.method, e.recipe, e.budget, e.choice AS mixture, m.update_share, m.buffer_share, m.pretraining_share,
       m.pretraining_dataset, m.buffer_pairs, m.buffer_policy, m.selection, e.others, e.seeds, e.few_seeds, e.mean, e.mean_low, e.mean_high,
       e.pairs, e.behind, e.behind_low, e.behind_high, e.verdict
FROM effect(axis := 'mixture', measure := measure) e JOIN mixture m ON m.name = e.choice
ORDER BY 1, 2, 3, 4, 5, e.mean DESC, 6;
