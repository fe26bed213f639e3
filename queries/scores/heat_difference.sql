-- Where is one combination above another, after every task?
-- grain: one row per (backbone, stream, budget, label_space, role, item, task) in both
-- Of `heat`, where both combinations have the value.
-- difference = value of a - value of b: each a method, mixture and recipe. Means over seeds.
CREATE OR REPLACE MACRO heat_difference(
    method_a VARCHAR := '', mixture_a VARCHAR := '', recipe_a VARCHAR := '', method_b VARCHAR := '',
    mixture_b VARCHAR := '',
    recipe_b VARCHAR := ''
) AS TABLE
SELECT first.backbone, first.stream, first.budget, first.label_space, first.role, first.item,
       first.place, first.task, first.value AS value_a, second.value AS value_b,
       first.value - second.value AS difference
FROM heat first
JOIN heat second ON second.backbone = first.backbone AND second.stream = first.stream
    AND second.budget = first.budget AND second.label_space = first.label_space
           AND second.role IS NOT DISTINCT FROM first.role AND second.item = first.item
           AND second.task = first.task
WHERE first.method = method_a AND first.mixture = mixture_a AND first.recipe = recipe_a
  AND second.method = method_b AND second.mixture = mixture_b AND second.recipe = recipe_b
ORDER BY ALL;
