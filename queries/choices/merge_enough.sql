-- Is a merge enough, without regularisation?
-- grain: one row per (backbone, stream, mixture, recipe, budget, method) with a trial at the end of its stream
-- `effect` along the methods that train all weights with the plain loss, merged or not, and of those that regularise.
-- behind, verdict: against the best of these methods in the same sentence, paired by seed.
CREATE OR REPLACE MACRO merge_enough(measure VARCHAR := 'gm') AS TABLE
SELECT e.backbone, e.stream, e.mixture, e.recipe, e.budget, e.choice AS method, m.merging, m.objective, m.start, m.deploy,
       e.others, e.seeds, e.few_seeds, e.mean, e.mean_low, e.mean_high, e.pairs, e.behind, e.behind_low, e.behind_high, e.verdict, e.gflops
FROM effect(axis := 'method', measure := measure,
            among := (SELECT string_agg(m.name, ',') FROM method m WHERE m.tuning = 'full')) e
JOIN method m ON m.name = e.choice
ORDER BY 1, 2, 3, 4, 5, e.mean DESC, 6;
