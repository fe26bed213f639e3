-- What did each trial come to, at the recipes that a comparison is made at?
-- grain: one row per trial at the end of its stream
-- The rows of `at_end`, with `at`: the recipe that trials must share to be compared. recipes
-- 'equal': their own. 'chosen': only trials of the recipe that was chosen for their method on
-- validation images (`chosen_recipe`), and all of these can be compared: at says 'chosen'.
CREATE OR REPLACE MACRO at_recipes(
    measure VARCHAR := 'gm', recipes VARCHAR := 'equal', validation VARCHAR := NULL
) AS TABLE
WITH
allowed AS (
    SELECT CASE WHEN recipes IN ('equal', 'chosen') THEN recipes
                ELSE error('recipes is equal or chosen, not ' || recipes) END AS way
)
SELECT ended.*, CASE WHEN allowed.way = 'chosen' THEN 'chosen' ELSE ended.recipe END AS at
FROM at_end(measure := measure) AS ended
CROSS JOIN allowed
WHERE allowed.way = 'equal' OR ended.recipe = (
    SELECT one.recipe FROM chosen_recipe(measure := measure, validation := validation) AS one
    WHERE one.backbone = ended.backbone AND one.stream = ended.stream
      AND one.mixture = ended.mixture
      AND one.method = ended.method AND one.budget = ended.budget);
