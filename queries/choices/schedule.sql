-- Which recipe, and which learning rate schedule?
-- grain: one row per (backbone, stream, mixture, method, budget, recipe) at the end of its stream
-- `effect` along the recipes, with what they say. behind, verdict: against the best recipe of the
-- same setting, paired by seed. images: 'validation' where the stream is one on which choices are
-- made, else 'test': the best of several recipes on test images flatters, so choose on validation.
CREATE OR REPLACE MACRO schedule(measure VARCHAR := 'gm') AS TABLE
SELECT found.backbone, found.stream, found.mixture, found.method, found.budget,
       found.choice AS recipe,
       recipe.schedule, recipe.schedule_params, recipe.optimizer, recipe.lr, recipe.batch_pairs,
       found.others, found.seeds, found.few_seeds, found.mean, found.optimism, found.mean_low,
       found.mean_high, found.pairs, found.look, found.behind, found.behind_low, found.behind_high,
       found.verdict,
       CASE WHEN found.stream IN (SELECT stream.validation FROM stream
                                  WHERE stream.validation IS NOT NULL)
            THEN 'validation' ELSE 'test' END AS images
FROM effect(axis := 'recipe', measure := measure) AS found
JOIN recipe ON recipe.name = found.choice
ORDER BY 1, 2, 3, 4, 5, found.mean DESC, 6;
