-- Which trials are still missing until it is decided which of several methods is best?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, seed) to be declared
-- For a rule. methods: their names with commas between; left out: in each setting those that have
-- trials there. words and most_seeds: as in `decided`. The verdicts are those of `effect` among
-- these methods with every_look, so equally good methods are called behind in at most 5 % of
-- studies. A method that is behind gets no more seeds; one that cannot be told from the best, or
-- has too few seeds, gets them up to its next look, and the best gets as many, since only pairs
-- tell. When all others are behind nothing is missing.
CREATE OR REPLACE MACRO best_of(
    methods VARCHAR := NULL, most_seeds INTEGER := 24, measure VARCHAR := 'gm',
    words VARCHAR := NULL
) AS TABLE
WITH
candidate AS (
    SELECT DISTINCT trim(name.method) AS method
    FROM (SELECT unnest(string_split(methods, ',')) AS method) AS name
    WHERE CASE WHEN contains(name.method, '@')
               THEN error('best_of declares trials, and method ' || trim(name.method)
                          || ' was run elsewhere: leave it out')
               WHEN trim(name.method) IN (SELECT method.name FROM method) THEN TRUE
               ELSE error('methods names methods with commas between, and there is no method '
                          || name.method) END
    UNION
    SELECT trial.method FROM trial WHERE methods IS NULL AND trial.source IS NULL
),
asked AS (
    SELECT DISTINCT trial.backbone, trial.stream, trial.mixture, trial.recipe, trial.budget
    FROM trial
    JOIN candidate ON candidate.method = trial.method
    WHERE words IS NULL
    UNION
    SELECT named.* FROM setting_of(words := words) AS named
),
judged AS (
    SELECT one.backbone, one.stream, one.mixture, one.recipe, one.budget, one.choice AS method,
           one.look, one.verdict
    FROM effect(axis := 'method', measure := measure, every_look := TRUE,
                among := (SELECT string_agg(candidate.method, ',') FROM candidate)) AS one
    -- not by `asked`: constants get below all of it, so that a rule reads the trials of its setting
    WHERE words IS NULL
       OR (one.backbone = trim(split_part(words, ',', 1))
           AND one.stream = trim(split_part(words, ',', 2))
           AND one.mixture = trim(split_part(words, ',', 3))
           AND one.recipe = trim(split_part(words, ',', 4))
           AND one.budget = trim(split_part(words, ',', 5)))
),
entrant AS (
    SELECT asked.*, candidate.method FROM asked CROSS JOIN candidate WHERE methods IS NOT NULL
    UNION
    SELECT trial.backbone, trial.stream, trial.mixture, trial.recipe, trial.budget, trial.method
    FROM trial
    JOIN asked ON asked.backbone = trial.backbone AND asked.stream = trial.stream
              AND asked.mixture = trial.mixture AND asked.recipe = trial.recipe
              AND asked.budget = trial.budget
    WHERE methods IS NULL AND trial.source IS NULL
),
lost_ AS (
    SELECT trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget,
           count(*) AS seeds
    FROM trial
    JOIN stage ON stage.trial = trial.id
    JOIN candidate ON candidate.method = trial.method
    WHERE stage.state IN ('failed', 'refused', 'cancelled', 'withdrawn')
    GROUP BY trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget
),
contender AS (
    SELECT entrant.backbone, entrant.stream, entrant.mixture, entrant.recipe, entrant.budget,
           entrant.method, coalesce(judged.verdict, 'too few seeds') AS verdict,
           coalesce(lost_.seeds, 0) AS lost_seeds,
           -- those that the verdict waits for; the best waits for the others
           CASE coalesce(judged.verdict, 'too few seeds') WHEN 'behind' THEN 0 WHEN 'best' THEN 0
                ELSE (3 * 2 ** coalesce(judged.look, 0))::BIGINT END AS pairs
    FROM entrant
    LEFT JOIN judged USING (backbone, stream, mixture, recipe, budget, method)
    LEFT JOIN lost_ USING (backbone, stream, mixture, recipe, budget, method)
),
aimed AS (
    SELECT contender.* REPLACE (
               CASE contender.verdict WHEN 'best' THEN max(contender.pairs) OVER of_setting
                                      ELSE contender.pairs END AS pairs),
           max(contender.lost_seeds) OVER of_setting AS most_lost,
           count(*) OVER of_setting AS entrants
    FROM contender
    WINDOW of_setting AS (PARTITION BY contender.backbone, contender.stream, contender.mixture,
                          contender.recipe, contender.budget)
)
SELECT aimed.backbone, aimed.stream, aimed.mixture, aimed.method, aimed.recipe, aimed.budget,
       seeds.seed, concat('best of ', coalesce(methods, 'all')) AS study
FROM aimed
CROSS JOIN range(most_seeds) AS seeds(seed)
WHERE aimed.entrants > 1 AND aimed.pairs > 0
  AND aimed.pairs + aimed.most_lost <= most_seeds AND seeds.seed < aimed.pairs + aimed.most_lost
ORDER BY 7, 1, 2, 3, 6, 5, 4;
