-- Which trials are next in a search that halves: the better recipes with a larger budget?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, seed) to be declared
-- For a rule. Successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943): the trials of
-- `study` at the first budget of `rungs` (names with commas between) are the first rung. As soon as
-- all trials of a method on a rung are over, the share `keep` of its recipes with the highest mean
-- of `measure`, at least one, goes on to the next budget with the same seeds. Every method decides
-- for itself, so those that begin with equally many recipes have equal budgets of search
-- (`search_cost`). A larger budget is another schedule, so the trials of a rung begin anew. A trial
-- that failed has lost. It chooses on streams that are some stream's `validation` and refuses
-- others, unless on_test says that test images may choose.
CREATE OR REPLACE MACRO halving(
    study VARCHAR := 'search', rungs VARCHAR := '', keep DOUBLE := 0.5, measure VARCHAR := 'gm',
    on_test BOOLEAN := FALSE
) AS TABLE
WITH
rung AS (
    SELECT trim(name.budget) AS budget, row_number() OVER () AS place
    FROM (SELECT unnest(string_split(rungs, ',')) AS budget) AS name
    WHERE CASE WHEN rungs = '' OR trim(name.budget) IN (SELECT budget.name FROM budget) THEN TRUE
               ELSE error('rungs names budgets with commas between, and there is no budget '
                          || name.budget) END
      AND CASE WHEN keep > 0 AND keep <= 1 THEN TRUE
               ELSE error('keep is a share above 0 and at most 1, not ' || keep) END
),
tried AS (
    SELECT trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, rung.place,
           list(trial.seed ORDER BY trial.seed) AS seeds, avg(ended.value) AS reached,
           bool_or(trial.is_open) AS runs
    FROM searched(study := study, on_test := on_test) AS trial
    JOIN rung ON rung.budget = trial.budget
    LEFT JOIN at_end(measure := measure) AS ended ON ended.trial = trial.trial
    GROUP BY trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, rung.place
),
ranked_ AS (
    SELECT tried.*, count(*) OVER of_rung AS recipes, bool_or(tried.runs) OVER of_rung AS open_,
           row_number() OVER (
               PARTITION BY tried.backbone, tried.stream, tried.mixture, tried.method, tried.place
               ORDER BY tried.reached DESC NULLS LAST, tried.recipe) AS rank
    FROM tried
    WINDOW of_rung AS (
        PARTITION BY tried.backbone, tried.stream, tried.mixture, tried.method, tried.place)
)
SELECT ranked_.backbone, ranked_.stream, ranked_.mixture, ranked_.method, ranked_.recipe,
       rung.budget, unnest(ranked_.seeds) AS seed, study AS study
FROM ranked_
JOIN rung ON rung.place = ranked_.place + 1
WHERE NOT ranked_.open_ AND ranked_.reached IS NOT NULL
  AND ranked_.rank <= greatest(1, ceil(ranked_.recipes * keep - 1e-9))
ORDER BY 1, 2, 3, 4, 6, ranked_.rank, 7;
