-- How do the recipes of a search stand after some of their tasks, and which would go on?
-- grain: one row per trial of the search
-- Recipes of a method are ranked by their mean of `measure` after task `after_task` of the stream,
-- and the share `keep` of them goes on, at least one. value: of the trial; reached: the mean of its
-- recipe. decided: all trials of the method have been measured there, or are over; before that
-- goes_on is NULL. A recipe that was not measured there is the last one. Only streams that are some
-- stream's `validation` are taken, unless on_test says that test images may choose.
CREATE OR REPLACE MACRO rung_after(
    study VARCHAR := 'search', after_task INTEGER := 1, keep DOUBLE := 0.5,
    measure VARCHAR := 'gm', on_test BOOLEAN := FALSE
) AS TABLE
WITH
tried AS (
    SELECT trial.*, reached.value
    FROM searched(study := study, on_test := on_test) AS trial
    LEFT JOIN at_end(measure := measure, after_task := after_task) AS reached
        ON reached.trial = trial.trial
    WHERE CASE WHEN keep > 0 AND keep <= 1 THEN TRUE
               ELSE error('keep is a share above 0 and at most 1, not ' || keep) END
),
of_recipe AS (
    SELECT tried.backbone, tried.stream, tried.mixture, tried.method, tried.budget, tried.recipe,
           avg(tried.value) AS reached, bool_or(tried.is_open AND tried.value IS NULL) AS runs
    FROM tried
    GROUP BY tried.backbone, tried.stream, tried.mixture, tried.method, tried.budget, tried.recipe
),
ranked_ AS (
    SELECT of_recipe.*, count(*) OVER of_method AS recipes,
           NOT bool_or(of_recipe.runs) OVER of_method AS decided,
           row_number() OVER (
               PARTITION BY of_recipe.backbone, of_recipe.stream, of_recipe.mixture,
                            of_recipe.method, of_recipe.budget
               ORDER BY of_recipe.reached DESC NULLS LAST, of_recipe.recipe) AS rank
    FROM of_recipe
    WINDOW of_method AS (
        PARTITION BY of_recipe.backbone, of_recipe.stream, of_recipe.mixture, of_recipe.method,
                     of_recipe.budget)
)
SELECT tried.trial, tried.backbone, tried.stream, tried.mixture, tried.method, tried.budget,
       tried.recipe, tried.seed, tried.is_open, tried.value, ranked_.reached, ranked_.rank,
       ranked_.recipes, ranked_.decided,
       CASE WHEN ranked_.decided
            THEN ranked_.rank <= greatest(1, ceil(ranked_.recipes * keep - 1e-9)) END AS goes_on
FROM tried
JOIN ranked_ ON ranked_.backbone = tried.backbone AND ranked_.stream = tried.stream
    AND ranked_.mixture = tried.mixture AND ranked_.method = tried.method
    AND ranked_.budget = tried.budget AND ranked_.recipe = tried.recipe
ORDER BY tried.trial;
