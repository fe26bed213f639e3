-- Which trials are still missing until it is decided which of two methods is better?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, seed) to be declared
-- For a rule. The verdict is that of `decide`, which looks at 3, 6, 12, 24, ... pairs, so equal
-- methods are called different in at most 5 % of studies however long the rule stands. A tie at one
-- look asks for the seeds up to the next; a decided setting asks for none, and so does one whose
-- next look needs more than most_seeds. Seeds follow on the first that both methods have, or on 0;
-- for each that failed or was withdrawn there is one more. words: backbone, stream, mixture,
-- recipe, budget with commas between, where it begins without any trial; left out: wherever a or b
-- has trials. recipes: as in `paired`; with 'chosen' it goes on from what ended, as soon as both
-- methods have a recipe, so that after `tuned` it stays with seeds that the search did not use.
CREATE OR REPLACE MACRO decided(
    a VARCHAR := 'finetune', b VARCHAR := 'ema_merge', most_seeds INTEGER := 24,
    measure VARCHAR := 'gm', words VARCHAR := NULL, recipes VARCHAR := 'equal',
    validation VARCHAR := NULL
) AS TABLE
WITH
judged AS (
    SELECT one.backbone, one.stream, one.mixture, one.recipe, one.budget, one.recipe_a,
           one.recipe_b, one.look, one.verdict
    FROM decide(a := a, b := b, measure := measure, recipes := recipes,
                validation := validation) AS one
    WHERE CASE WHEN contains(a || b, '@')
               THEN error('decided declares trials, and ' || a || ' or ' || b
                          || ' was run elsewhere: decide compares them')
               ELSE TRUE END
),
begun AS (
    SELECT DISTINCT trial.backbone, trial.stream, trial.mixture, trial.recipe, trial.budget
    FROM trial
    WHERE trial.method IN (a, b) AND recipes = 'equal'
    UNION
    SELECT judged.backbone, judged.stream, judged.mixture, judged.recipe, judged.budget FROM judged
),
asked AS (
    SELECT begun.* FROM begun WHERE words IS NULL
    UNION
    SELECT named.* FROM setting_of(words := words) AS named
),
open_ AS (
    SELECT asked.backbone, asked.stream, asked.mixture, asked.budget,
           coalesce(judged.recipe_a, asked.recipe) AS recipe_a,
           coalesce(judged.recipe_b, asked.recipe) AS recipe_b,
           (3 * 2 ** coalesce(judged.look, 0))::BIGINT AS pairs
    FROM asked
    LEFT JOIN judged ON judged.backbone = asked.backbone AND judged.stream = asked.stream
        AND judged.mixture = asked.mixture AND judged.recipe = asked.recipe
                    AND judged.budget = asked.budget
    WHERE coalesce(judged.verdict, 'too few seeds') IN ('too few seeds', 'tie')
      AND (recipes = 'equal' OR (judged.recipe_a IS NOT NULL AND judged.recipe_b IS NOT NULL))
),
seeded AS (
    -- lost: it will never make a pair
    SELECT trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget,
           trial.seed, stage.state IN ('failed', 'refused', 'cancelled', 'withdrawn') AS lost
    FROM trial
    JOIN stage ON stage.trial = trial.id
    WHERE trial.method IN (a, b)
),
aimed AS (
    SELECT open_.backbone, open_.stream, open_.mixture, open_.budget, open_.recipe_a,
           open_.recipe_b,
           open_.pairs + count(DISTINCT seeded.seed) FILTER (WHERE seeded.lost) AS seeds,
           coalesce(greatest(min(seeded.seed) FILTER (WHERE seeded.method = a),
                             min(seeded.seed) FILTER (WHERE seeded.method = b)), 0) AS first_seed
    FROM open_
    LEFT JOIN seeded ON seeded.backbone = open_.backbone AND seeded.stream = open_.stream
        AND seeded.mixture = open_.mixture AND seeded.budget = open_.budget
                   AND seeded.recipe = CASE WHEN seeded.method = a THEN open_.recipe_a
                                            ELSE open_.recipe_b END
    GROUP BY open_.backbone, open_.stream, open_.mixture, open_.budget, open_.recipe_a,
             open_.recipe_b, open_.pairs
)
SELECT aimed.backbone, aimed.stream, aimed.mixture, side.method,
       CASE side.place WHEN 1 THEN aimed.recipe_a ELSE aimed.recipe_b END AS recipe, aimed.budget,
       aimed.first_seed + number.place AS seed, concat('decide ', a, ' or ', b) AS study
FROM aimed
CROSS JOIN (SELECT a AS method, 1 AS place UNION ALL SELECT b, 2) AS side
CROSS JOIN range(most_seeds) AS number(place)
WHERE aimed.seeds <= most_seeds AND number.place < aimed.seeds
ORDER BY 7, 1, 2, 3, 6, 5, side.place;
