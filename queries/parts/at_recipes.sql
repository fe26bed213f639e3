-- What did each trial come to, at the recipes that a comparison is made at?
-- grain: one row per trial at the end of its stream
-- The rows of `at_end`, with `at`: the recipe that trials must share to be compared. recipes
-- 'equal': their own. 'chosen': only trials of the recipe that was chosen for their method on
-- validation images (`chosen_recipe`), and all of these can be compared: at says 'chosen'.
-- chosen_on: the validation stream that the recipe was chosen on; NULL where nothing was chosen:
-- with 'equal', and for the only recipe that ran.
CREATE OR REPLACE MACRO at_recipes(
    measure VARCHAR := 'gm', recipes VARCHAR := 'equal', validation VARCHAR := NULL
) AS TABLE
-- Two branches, of which a constant condition leaves one: a subquery for each trial is quadratic.
SELECT ended.*, ended.recipe AS at, NULL::VARCHAR AS chosen_on
FROM at_end(measure := measure) AS ended
WHERE CASE WHEN recipes IN ('equal', 'chosen') THEN recipes
           ELSE error('recipes is equal or chosen, not ' || recipes) END = 'equal'
UNION ALL
SELECT ended.*, 'chosen' AS at, one.chosen_on
FROM at_end(measure := measure) AS ended
JOIN chosen_recipe(measure := measure, validation := validation) AS one
    USING (backbone, stream, mixture, method, budget, recipe)
WHERE recipes = 'chosen';
