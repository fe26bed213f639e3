-- Which trials were run elsewhere, by whom, and what came of them?
-- grain: one row per trial that was imported
-- source: who ran it; its method ends with @ and that name, and is a method of its own in every
-- answer. measured: its tasks that have results, of `tasks` and task 0. costs: whether anything was
-- charged; where not, what it spent is NULL everywhere. own: trials of Weir that are done, of the
-- same words and the method without its source, of whichever seed; own_same: of its seed.
CREATE OR REPLACE VIEW imports AS
WITH
known AS (
    SELECT trial.*, imported.file, imported.rows, imported.folder, imported.imported_at,
           imported.sha256, stream.tasks,
           left(trial.method, len(trial.method) - len(trial.source) - 1) AS plain
    FROM imported
    JOIN trial ON trial.id = imported.trial
    JOIN stream ON stream.name = trial.stream
),
brought AS (
    SELECT known.id, count(DISTINCT result.task) AS measured
    FROM known LEFT JOIN result ON result.trial = known.id
    GROUP BY known.id
),
beside AS (
    SELECT known.id, count(*) AS own, count(*) FILTER (WHERE trial.seed = known.seed) AS own_same
    FROM known
    JOIN trial ON trial.backbone = known.backbone AND trial.stream = known.stream
        AND trial.mixture = known.mixture AND trial.method = known.plain
        AND trial.recipe = known.recipe AND trial.budget = known.budget
    JOIN (SELECT DISTINCT trial FROM trained WHERE state = 'done') done ON done.trial = trial.id
    GROUP BY known.id
)
SELECT known.id AS trial, known.source, known.study, known.backbone, known.stream, known.mixture,
       known.method, known.recipe, known.budget, known.seed, brought.measured, known.tasks,
       known.id IN (SELECT cost.trial FROM cost) AS costs,
       coalesce(beside.own, 0) AS own, coalesce(beside.own_same, 0) AS own_same,
       known.rows, known.file, known.folder, known.imported_at
FROM known
JOIN brought ON brought.id = known.id
LEFT JOIN beside ON beside.id = known.id
ORDER BY known.id;
