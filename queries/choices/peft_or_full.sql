-- Adapters, or full fine-tuning?
-- grain: one row per (backbone, stream, mixture, recipe, budget, method) at the end of its stream
-- `effect` along the methods without merging and with the plain loss, that differ in which
-- parameters move. behind, verdict: against the best of these methods in the same setting, paired
-- by seed. Adapters want higher rates than full fine-tuning: recipes 'chosen' compares each at its
-- own.
CREATE OR REPLACE MACRO peft_or_full(
    measure VARCHAR := 'gm', recipes VARCHAR := 'equal', validation VARCHAR := NULL
) AS TABLE
SELECT found.backbone, found.stream, found.mixture, found.recipe, found.budget,
       found.choice AS method,
       found.at_recipe, found.chosen_on, method.tuning, method.tuning_params, found.others, found.seeds,
       found.few_seeds,
       found.mean, found.optimism, found.mean_low, found.mean_high, found.pairs, found.look,
       found.behind, found.behind_low, found.behind_high, found.verdict, found.gflops
FROM effect(
    axis := 'method', measure := measure, recipes := recipes, validation := validation,
    among := (SELECT string_agg(one.name, ',') FROM method AS one
              WHERE one.merging = 'none' AND one.objective = 'contrastive')) AS found
JOIN method ON method.name = found.choice
ORDER BY 1, 2, 3, 4, 5, found.mean DESC, 6;
