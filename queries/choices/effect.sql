-- What does one choice change, all else equal?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, choice) at a stream's end
-- axis: backbone, stream (of one suite), mixture, method, recipe, budget; ordering (streams of
-- equal tasks and suite) or tasks (streams of one sequence and suite). measure: a_ka, a_zs, gm,
-- d_ka, d_zs or zs_ratio. Only trials that share everything but the axis are compared: `others` of
-- them there are, and a choice that stands alone is shown with others 0. recipes 'equal': at the
-- same recipe; 'chosen': each at the one that was chosen for it on validation images
-- (`chosen_recipe`); at_recipe says which, and chosen_on the stream that it was chosen on (NULL: no
-- choice, since a single recipe ran). behind, optimism, verdict: as in `compared`, which holds the
-- error over all choices of a family at 5 %, for one look. Whoever adds seeds because of a verdict
-- asks with every_look. few_seeds: a mean of fewer than 3.
CREATE OR REPLACE MACRO effect(
    axis VARCHAR := 'method', measure VARCHAR := 'gm', among VARCHAR := NULL,
    recipes VARCHAR := 'equal',
    validation VARCHAR := NULL, every_look BOOLEAN := FALSE
) AS TABLE
WITH
ended AS (
    SELECT CASE axis
               WHEN 'backbone' THEN reached.backbone WHEN 'stream' THEN reached.stream
               WHEN 'mixture' THEN reached.mixture WHEN 'method' THEN reached.method
               WHEN 'recipe' THEN reached.recipe WHEN 'budget' THEN reached.budget
               WHEN 'ordering' THEN stream.sequence WHEN 'tasks' THEN stream.tasks::VARCHAR
               ELSE error('axis is one of backbone, stream, mixture, method, recipe, budget, '
                          || 'ordering, tasks; not ' || axis)
           END AS choice,
           CASE axis WHEN 'backbone' THEN '*' ELSE reached.backbone END AS of_backbone,
           CASE axis WHEN 'stream' THEN concat('any stream, ', stream.suite)
                     WHEN 'ordering' THEN concat(stream.tasks, ' tasks of any order, ',
                                                 stream.suite)
                     WHEN 'tasks' THEN concat(stream.sequence, ' in any tasks, ', stream.suite)
                     ELSE reached.stream END AS of_stream,
           CASE axis WHEN 'mixture' THEN '*' ELSE reached.mixture END AS of_mixture,
           CASE axis WHEN 'method' THEN '*' ELSE reached.method END AS of_method,
           CASE axis WHEN 'recipe' THEN '*' ELSE reached.at END AS of_recipe,
           CASE axis WHEN 'budget' THEN '*' ELSE reached.budget END AS of_budget,
           reached.recipe AS at_recipe, reached.chosen_on, reached.trial, reached.seed, reached.value,
           reached.resolution,
           reached.gflops
    FROM at_recipes(measure := measure, recipes := recipes, validation := validation) AS reached
    JOIN stream ON stream.name = reached.stream
),
asked AS (
    SELECT * FROM ended
    WHERE value IS NOT NULL AND (among IS NULL OR list_contains(string_split(among, ','), choice))
),
choosing AS (
    SELECT of_backbone, of_stream, of_mixture, of_method, of_recipe, of_budget, choice,
           min(chosen_on) AS chosen_on
    FROM asked
    GROUP BY of_backbone, of_stream, of_mixture, of_method, of_recipe, of_budget, choice
)
SELECT found.* EXCLUDE (wanted), choosing.chosen_on
FROM compared(trials := 'asked', every_look := every_look) AS found
JOIN choosing ON choosing.of_backbone = found.backbone AND choosing.of_stream = found.stream
    AND choosing.of_mixture = found.mixture AND choosing.of_method = found.method
    AND choosing.of_recipe = found.recipe AND choosing.of_budget = found.budget
    AND choosing.choice = found.choice
ORDER BY 1, 2, 3, 4, 5, 6, found.mean DESC, 7;
