-- Which trials measure each method at the recipe that was chosen for it on validation images?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, seed) to be declared
-- For a rule. For each stream that says where its choices are made (stream.validation): of the
-- recipes that a method ran there the one with the highest mean of `measure`, at equal words, as
-- soon as every trial of that search is over; on the stream itself with `seeds` seeds that the
-- search did not use, which follow on its last. Nothing is chosen on the stream itself. study: only
-- trials of that study are the search; left out: all. draws: how many recipes a search tries that
-- grows (`suggested`); nothing is chosen for a method that has fewer.
CREATE OR REPLACE MACRO tuned(
    measure VARCHAR := 'gm', seeds INTEGER := 3, study VARCHAR := NULL, draws INTEGER := 1
) AS TABLE
WITH
searched AS (
    SELECT trial.backbone, trial.stream, trial.mixture, trial.method, trial.budget, trial.recipe,
           trial.seed, ended.value,
           stage.state IN ('pending', 'waiting', 'submitting', 'running') AS runs
    FROM trial
    JOIN stage ON stage.trial = trial.id
    LEFT JOIN at_end(measure := measure) AS ended ON ended.trial = trial.id
    WHERE trial.source IS NULL AND (study IS NULL OR trial.study = study)
      AND trial.stream IN (SELECT stream.validation FROM stream WHERE stream.validation IS NOT NULL)
),
of_recipe AS (
    SELECT backbone, stream, mixture, method, budget, recipe, max(seed) AS last_seed,
           bool_or(runs) AS runs, avg(searched.value) AS on_validation
    FROM searched
    GROUP BY backbone, stream, mixture, method, budget, recipe
),
chosen AS (
    SELECT backbone, stream, mixture, method, budget, max(last_seed) AS last_seed,
           count(*) AS recipes,
           arg_max(recipe, (on_validation, recipe)) FILTER (WHERE on_validation IS NOT NULL)
           AS recipe
    FROM of_recipe
    GROUP BY backbone, stream, mixture, method, budget
    HAVING NOT bool_or(runs)
)
SELECT chosen.backbone, stream.name AS stream, chosen.mixture, chosen.method, chosen.recipe,
       chosen.budget, chosen.last_seed + number.seed AS seed,
       concat('tuned on ', chosen.stream) AS study
FROM chosen
JOIN stream ON stream.validation = chosen.stream
CROSS JOIN range(1, seeds + 1) AS number(seed)
WHERE chosen.recipe IS NOT NULL AND chosen.recipes >= draws
ORDER BY 7, 1, 2, 3, 4, 6, 5;
