-- Is a merge enough, without regularisation?
-- grain: one row per (backbone, stream, mixture, recipe, budget, method) at the end of its stream
-- `effect` along the methods that train all weights with the plain loss, merged or not, and of
-- those that regularise. behind, verdict: against the best of these methods in the same setting,
-- paired by seed. recipes: as in `effect`.
CREATE OR REPLACE MACRO merge_enough(
    measure VARCHAR := 'gm', recipes VARCHAR := 'equal', validation VARCHAR := NULL
) AS TABLE
SELECT found.backbone, found.stream, found.mixture, found.recipe, found.budget,
       found.choice AS method,
       found.at_recipe, found.chosen_on, method.merging, method.objective, method.start, method.deploy, found.others,
       found.seeds, found.few_seeds, found.mean, found.optimism, found.mean_low, found.mean_high,
       found.pairs, found.look, found.behind, found.behind_low, found.behind_high, found.verdict,
       found.gflops
FROM effect(
    axis := 'method', measure := measure, recipes := recipes, validation := validation,
    among := (SELECT string_agg(one.name, ',') FROM method AS one
              WHERE one.tuning = 'full')) AS found
JOIN method ON method.name = found.choice
ORDER BY 1, 2, 3, 4, 5, found.mean DESC, 6;
