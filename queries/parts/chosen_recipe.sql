-- Which recipe was chosen for each method on validation images?
-- grain: one row per (backbone, stream, mixture, method, budget) measured at the end of its stream
-- measured: how many recipes ran on the stream. recipe: of these the one with the highest mean of
-- `measure` on the validation stream, at the same words; where a single recipe ran, that one; else
-- NULL, because choosing among several by what the test images say would flatter whoever tried
-- more. chosen_on: the validation stream, which is what the row of `stream` says, or `validation`
-- for all.
CREATE OR REPLACE MACRO chosen_recipe(measure VARCHAR := 'gm', validation VARCHAR := NULL) AS TABLE
WITH
ended AS MATERIALIZED (
    SELECT * FROM at_end(measure := measure) WHERE value IS NOT NULL
),
ran AS (
    SELECT DISTINCT backbone, stream, mixture, method, budget, recipe FROM ended
),
validated AS (
    SELECT ran.*, coalesce(validation, stream.validation) AS choices_on
    FROM ran
    JOIN stream ON stream.name = ran.stream
),
tried AS (
    SELECT ran.backbone, ran.stream, ran.mixture, ran.method, ran.budget, ran.recipe,
           any_value(ran.choices_on) AS choices_on, avg(ended.value) AS on_validation
    FROM validated AS ran
    LEFT JOIN ended ON ended.stream = ran.choices_on
                   AND ended.backbone = ran.backbone AND ended.mixture = ran.mixture
                   AND ended.method = ran.method AND ended.budget = ran.budget
                   AND ended.recipe = ran.recipe
    GROUP BY ran.backbone, ran.stream, ran.mixture, ran.method, ran.budget, ran.recipe
)
SELECT tried.backbone, tried.stream, tried.mixture, tried.method, tried.budget,
       count(*) AS measured,
       CASE WHEN count(*) = 1 THEN any_value(tried.recipe)
            ELSE arg_max(tried.recipe, (tried.on_validation, tried.recipe))
                 FILTER (WHERE tried.on_validation IS NOT NULL) END AS recipe,
       CASE WHEN count(tried.on_validation) > 0 THEN 'validation'
            WHEN count(*) = 1 THEN 'the only one'
            ELSE 'not chosen' END AS chosen_by,
       CASE WHEN count(tried.on_validation) > 0 THEN any_value(tried.choices_on) END AS chosen_on
FROM tried
GROUP BY tried.backbone, tried.stream, tried.mixture, tried.method, tried.budget
ORDER BY ALL;
