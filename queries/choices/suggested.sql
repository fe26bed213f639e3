-- Which recipes are next in a search that learns from what it has finished?
-- grain: one row per (backbone, stream, mixture, method, budget, seed, draw) to be drawn
-- For a rule. The trials of `study` are the search, and those that it begins with are a `sweep`
-- around the same recipe `base` over the same ranges. As soon as all trials of a method are over,
-- `at_once` more recipes are drawn for it, until it has tried `draws`: so methods have equal
-- budgets of search, and when a trial ended changes nothing. sync draws them (the sampler TPE of
-- Optuna, `pip install "weir[optuna]"`) from what `drawn_from` holds and nothing else: the ranges,
-- the numbers and values of the finished recipes in the order of their trials (`tried`; a recipe
-- that failed has no value, and counts as worse than all others), names that are there (`taken`),
-- and `sampler_seed`. draw: its number in the search. recipe is the base, which the drawn recipes
-- differ from. It learns from streams that are some stream's `validation` and refuses others,
-- unless on_test says that test images may choose.
CREATE OR REPLACE MACRO suggested(
    base VARCHAR := 'tiny_lr_1e-3', study VARCHAR := 'search', draws INTEGER := 12,
    at_once INTEGER := 3, lr_low DOUBLE := NULL, lr_high DOUBLE := NULL, decay_low DOUBLE := NULL,
    decay_high DOUBLE := NULL, measure VARCHAR := 'gm', sampler_seed INTEGER := 0,
    on_test BOOLEAN := FALSE
) AS TABLE
WITH
shape AS (
    SELECT recipe.name, recipe.lr, recipe.weight_decay,
           row(recipe.optimizer, recipe.optimizer_params, recipe.clip_norm, recipe.batch_pairs,
               recipe.precision, recipe.schedule, recipe.schedule_params,
               recipe.augmentation_params, recipe.compute_params) AS rest
    FROM recipe
),
around AS (
    -- the names of recipes that differ from the base in what is drawn alone; a number that was
    -- rounded may lie a little outside
    SELECT shape.name
    FROM shape
    JOIN shape AS middle ON middle.name = base
    WHERE shape.rest IS NOT DISTINCT FROM middle.rest
      AND CASE WHEN lr_low IS NULL THEN shape.lr = middle.lr
               ELSE shape.lr BETWEEN 0.99 * lr_low AND 1.01 * lr_high END
      AND CASE WHEN decay_low IS NULL THEN shape.weight_decay = middle.weight_decay
               ELSE shape.weight_decay BETWEEN 0.99 * decay_low AND 1.01 * decay_high END
),
tried AS (
    SELECT trial.backbone, trial.stream, trial.mixture, trial.method, trial.budget, trial.recipe,
           any_value(shape.lr) AS lr, any_value(shape.weight_decay) AS weight_decay,
           list(trial.seed ORDER BY trial.seed) AS seeds, min(trial.trial) AS first_trial,
           avg(ended.value) AS reached, bool_or(trial.is_open) AS runs
    FROM searched(study := study, on_test := on_test) AS trial
    JOIN shape ON shape.name = trial.recipe
    LEFT JOIN at_end(measure := measure) AS ended ON ended.trial = trial.trial
    WHERE CASE WHEN trial.recipe IN (SELECT around.name FROM around)
               THEN TRUE
               ELSE error(concat('suggested draws around recipe ', base, ', and ', trial.recipe,
                                 ' of study ', study, ' is not that recipe with numbers of these '
                                 'ranges; begin with a sweep of the same base and ranges')) END
    GROUP BY trial.backbone, trial.stream, trial.mixture, trial.method, trial.budget, trial.recipe
),
cell AS (
    SELECT tried.backbone, tried.stream, tried.mixture, tried.method, tried.budget,
           count(*) AS recipes, arg_min(tried.seeds, tried.first_trial) AS seeds,
           list({'lr': tried.lr, 'weight_decay': tried.weight_decay, 'value': tried.reached}
                ORDER BY tried.first_trial) AS history
    FROM tried
    GROUP BY tried.backbone, tried.stream, tried.mixture, tried.method, tried.budget
    HAVING NOT bool_or(tried.runs)
),
taken AS (
    -- of any study: a trial is one row, so drawing its recipe again would add nothing
    SELECT trial.backbone, trial.stream, trial.mixture, trial.method, trial.budget,
           list(DISTINCT trial.recipe ORDER BY trial.recipe) AS names
    FROM trial
    SEMI JOIN cell USING (backbone, stream, mixture, method, budget)
    GROUP BY trial.backbone, trial.stream, trial.mixture, trial.method, trial.budget
)
SELECT cell.backbone, cell.stream, cell.mixture, cell.method, base AS recipe, cell.budget,
       unnest(cell.seeds) AS seed, study AS study,
       cell.recipes + place.number AS draw,
       to_json({'sampler_seed': sampler_seed,
                'lr': CASE WHEN lr_low IS NOT NULL THEN [lr_low, lr_high] END,
                'weight_decay': CASE WHEN decay_low IS NOT NULL THEN [decay_low, decay_high] END,
                'taken': taken.names, 'tried': cell.history})::VARCHAR
       AS drawn_from
FROM cell
JOIN taken USING (backbone, stream, mixture, method, budget)
-- refused here: an argument is computed even where there would be no row
CROSS JOIN range(1, 1 + CASE
    WHEN draws < 1 OR at_once < 1
    THEN error(concat('draws and at_once must be at least 1, not ', draws, ' and ',
                      at_once))::INTEGER
    WHEN (lr_low IS NULL) <> (lr_high IS NULL)
      OR NOT coalesce(0 < lr_low AND lr_low <= lr_high, TRUE)
    THEN error(concat('lr_low and lr_high are a range above 0, not ',
                      coalesce(lr_low::VARCHAR, 'NULL'), ' to ',
                      coalesce(lr_high::VARCHAR, 'NULL')))::INTEGER
    WHEN (decay_low IS NULL) <> (decay_high IS NULL)
      OR NOT coalesce(0 < decay_low AND decay_low <= decay_high, TRUE)
    THEN error(concat('decay_low and decay_high are a range above 0, not ',
                      coalesce(decay_low::VARCHAR, 'NULL'), ' to ',
                      coalesce(decay_high::VARCHAR, 'NULL')))::INTEGER
    ELSE at_once END) AS place(number)
WHERE cell.recipes + place.number <= draws AND (lr_low IS NOT NULL OR decay_low IS NOT NULL)
ORDER BY place.number, 1, 2, 3, 4, 6, 7;
