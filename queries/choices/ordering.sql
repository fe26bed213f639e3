-- Does the order of the stream matter?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, sequence) at its end
-- `effect` along sequences that are cut into equally many tasks and watched by one suite.
-- spread_of_orders: standard deviation of the means over these sequences, NULL for one.
CREATE OR REPLACE MACRO ordering(measure VARCHAR := 'gm') AS TABLE
SELECT found.backbone, found.stream, found.mixture, found.method, found.recipe, found.budget,
       found.choice AS sequence, sequence.ordering, sequence.seed AS ordering_seed, found.others,
       found.seeds, found.few_seeds, found.mean, found.optimism, found.mean_low, found.mean_high,
       found.pairs, found.look, found.behind, found.behind_low, found.behind_high, found.verdict,
       stddev_samp(found.mean) OVER (
           PARTITION BY found.backbone, found.stream, found.mixture, found.method, found.recipe,
                        found.budget) AS spread_of_orders
FROM effect(axis := 'ordering', measure := measure) AS found
JOIN sequence ON sequence.name = found.choice
ORDER BY 1, 2, 3, 4, 5, 6, found.mean DESC, 7;
