-- Which of two methods wins, seed by seed?
-- grain: one row per (backbone, stream, mixture, recipe, budget, seed) with `a` or `b` measured
-- difference = value of a - value of b, everything else equal; NULL where the other one has not run
-- with this seed. measure: a_ka, a_zs, gm, d_ka, d_zs or zs_ratio. recipes 'equal': both at the
-- same recipe; 'chosen': each at the one that was chosen for it on validation images
-- (`chosen_recipe`), and recipe says 'chosen'. recipe_a and recipe_b say which, and chosen_on the
-- stream that they were chosen on. resolution: of the test sets, in this measure.
CREATE OR REPLACE MACRO paired(
    a VARCHAR := 'finetune', b VARCHAR := 'ema_merge', measure VARCHAR := 'gm',
    recipes VARCHAR := 'equal', validation VARCHAR := NULL
) AS TABLE
WITH
ended AS (
    SELECT *
    FROM at_recipes(measure := measure, recipes := recipes, validation := validation) AS reached
    WHERE reached.method IN (a, b)
),
side AS (
    SELECT ended.backbone, ended.stream, ended.mixture, ended.at AS recipe, ended.budget,
           ended.seed,
           max(ended.value) FILTER (WHERE ended.method = a) AS value_a,
           max(ended.value) FILTER (WHERE ended.method = b) AS value_b,
           max(ended.recipe) FILTER (WHERE ended.method = a) AS recipe_a,
           max(ended.recipe) FILTER (WHERE ended.method = b) AS recipe_b,
           max(ended.chosen_on) AS chosen_on,
           max(ended.resolution) AS resolution
    FROM ended
    GROUP BY ended.backbone, ended.stream, ended.mixture, ended.at, ended.budget, ended.seed
)
SELECT side.*, side.value_a - side.value_b AS difference,
       CASE WHEN side.value_a > side.value_b THEN a WHEN side.value_a < side.value_b THEN b
            WHEN side.value_a = side.value_b THEN 'tie' END AS winner
FROM side
ORDER BY ALL;
