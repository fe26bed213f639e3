-- Which recipe, and which learning rate schedule?
-- grain: one row per (backbone, stream, mixture, method, budget, recipe) at the end of its stream
-- `effect` along the recipes, with what they say. It chooses on streams that are some stream's
-- `validation`: there behind and verdict are against the best recipe of the same setting, paired by
-- seed. The best of several recipes on test images flatters, so these are not compared with each
-- other, only shown by name, and the verdict says 'on test images', unless on_test says that test
-- images may choose. images: which of both a row is from.
CREATE OR REPLACE MACRO schedule(measure VARCHAR := 'gm', on_test BOOLEAN := FALSE) AS TABLE
WITH
of_recipe AS (
    SELECT found.*, found.stream IN (SELECT stream.validation FROM stream
                                     WHERE stream.validation IS NOT NULL) AS for_choices
    FROM effect(axis := 'recipe', measure := measure) AS found
),
judged AS (
    SELECT *, for_choices OR on_test AS chooses FROM of_recipe
)
SELECT judged.backbone, judged.stream, judged.mixture, judged.method, judged.budget,
       judged.choice AS recipe,
       recipe.schedule, recipe.schedule_params, recipe.optimizer, recipe.lr, recipe.batch_pairs,
       judged.others, judged.seeds, judged.few_seeds, judged.mean,
       CASE WHEN judged.chooses THEN judged.optimism END AS optimism,
       -- The end of the best one's interval would say which it is
       judged.mean_low
           + CASE WHEN judged.chooses THEN 0 ELSE coalesce(judged.optimism, 0) END AS mean_low,
       judged.mean_high, CASE WHEN judged.chooses THEN judged.pairs END AS pairs,
       CASE WHEN judged.chooses THEN judged.look END AS look,
       CASE WHEN judged.chooses THEN judged.behind END AS behind,
       CASE WHEN judged.chooses THEN judged.behind_low END AS behind_low,
       CASE WHEN judged.chooses THEN judged.behind_high END AS behind_high,
       CASE WHEN judged.chooses THEN judged.verdict ELSE 'on test images' END AS verdict,
       CASE WHEN judged.for_choices THEN 'validation' ELSE 'test' END AS images
FROM judged
JOIN recipe ON recipe.name = judged.choice
ORDER BY 1, 2, 3, 4, 5, CASE WHEN judged.chooses THEN judged.mean END DESC NULLS LAST, 6;
