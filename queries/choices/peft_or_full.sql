-- Adapters, or full fine-tuning?
-- grain: one row per (backbone, stream, mixture, recipe, budget, method) with a trial at the end of its stream
-- `effect` along the methods without merging and with the plain loss, that differ in which parameters move.
-- behind, verdict: against the best of these methods in the same sentence, paired by seed.
CREATE OR REPLACE MACRO peft_or_full(measure VARCHAR := 'gm') AS TABLE
SELECT e.backbone, e.stream, e.mixture, e.recipe, e.budget, e.choice AS method, m.tuning, m.tuning_params,
       e.others, e.seeds, e.few_seeds, e.mean, e.mean_low, e.mean_high, e.pairs, e.behind, e.behind_low, e.behind_high, e.verdict, e.gflops
FROM effect(axis := 'method', measure := measure,
            among := (SELECT string_agg(m.name, ',') FROM method m WHERE m.merging = 'none' AND m.objective = 'contrastive')) e
JOIN method m ON m.name = e.choice
ORDER BY 1, 2, 3, 4, 5, e.mean DESC, 6;
