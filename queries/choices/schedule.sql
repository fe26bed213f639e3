-- Which recipe, and which learning rate schedule?
-- grain: one row per (backbone, stream, mixture, method, budget, recipe) with a trial at the end of its stream
-- `effect` along the recipes, with what they say. behind, verdict: against the best recipe of the same sentence, paired by seed.
CREATE OR REPLACE MACRO schedule(measure VARCHAR := 'gm') AS TABLE
SELECT e.backbone, e.stream, e.mixture, e.method, e.budget, e.choice AS recipe, r.schedule, r.schedule_params, r.optimizer, r.lr,
       r.batch_pairs, e.others, e.seeds, e.few_seeds, e.mean, e.mean_low, e.mean_high, e.pairs, e.behind, e.behind_low, e.behind_high, e.verdict
FROM effect(axis := 'recipe', measure := measure) e JOIN recipe r ON r.name = e.choice
ORDER BY 1, 2, 3, 4, 5, e.mean DESC, 6;
