-- Which trials does a search consist of, and which of them are not over yet?
-- grain: one row per trial of the search
-- The trials of `study`, without imported ones. A search chooses among them, so only streams that
-- are some stream's `validation` are taken, and others are refused, unless on_test says that test
-- images may choose. is_open: it is pending, waits, or runs.
CREATE OR REPLACE MACRO searched(study VARCHAR := 'search', on_test BOOLEAN := FALSE) AS TABLE
SELECT trial.id AS trial, trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe,
       trial.budget, trial.seed,
       stage.state IN ('pending', 'waiting', 'submitting', 'running') AS is_open
FROM trial
JOIN stage ON stage.trial = trial.id
WHERE trial.study = study AND trial.source IS NULL
  -- Trials of other studies are named as well, as conditions may be met in any order
  AND CASE WHEN on_test OR trial.study IS DISTINCT FROM study
                OR trial.stream IN (SELECT stream.validation FROM stream
                                    WHERE stream.validation IS NOT NULL)
           THEN TRUE
           ELSE error('a search chooses on validation images, and no stream names '
                      || trial.stream || ' as its validation') END
ORDER BY trial.id;
