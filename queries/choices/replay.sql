-- How much replay, and of what, is enough?
-- grain: one row per (backbone, stream, method, recipe, budget, mixture) at the end of its stream
-- `effect` along the mixtures, with their shares. behind, verdict: against the best mixture of the
-- same setting, paired by seed.
CREATE OR REPLACE MACRO replay(measure VARCHAR := 'gm') AS TABLE
SELECT found.backbone, found.stream, found.method, found.recipe, found.budget,
       found.choice AS mixture,
       mixture.update_share, mixture.buffer_share, mixture.pretraining_share,
       mixture.pretraining_dataset, mixture.buffer_pairs, mixture.buffer_policy, mixture.selection,
       found.others, found.seeds, found.few_seeds, found.mean, found.optimism, found.mean_low,
       found.mean_high, found.pairs, found.look, found.behind, found.behind_low, found.behind_high,
       found.verdict
FROM effect(axis := 'mixture', measure := measure) AS found
JOIN mixture ON mixture.name = found.choice
ORDER BY 1, 2, 3, 4, 5, found.mean DESC, 6;
