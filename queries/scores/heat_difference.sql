-- Where is one combination above another, after every task?
-- grain: one row per (backbone, stream, budget, label_space, role, item, task) of `heat` that both combinations have
-- difference = value of a - value of b: each a method, mixture and recipe. Means over seeds.
CREATE OR REPLACE MACRO heat_difference(
    method_a VARCHAR := '', mixture_a VARCHAR := '', recipe_a VARCHAR := '', method_b VARCHAR := '', mixture_b VARCHAR := '',
    recipe_b VARCHAR := ''
) AS TABLE
SELECT a.backbone, a.stream, a.budget, a.label_space, a.role, a.item, a.place, a.task, a.value AS value_a, b.value AS value_b,
       a.value - b.value AS difference
FROM heat a
JOIN heat b ON b.backbone = a.backbone AND b.stream = a.stream AND b.budget = a.budget AND b.label_space = a.label_space
           AND b.role IS NOT DISTINCT FROM a.role AND b.item = a.item AND b.task = a.task
WHERE a.method = method_a AND a.mixture = mixture_a AND a.recipe = recipe_a
  AND b.method = method_b AND b.mixture = mixture_b AND b.recipe = recipe_b
ORDER BY ALL;
