-- What error does each method reach, for all the compute that finding it took?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) at the end of its stream
-- As NEVIS'22 (arXiv 2211.11747) draws it. search_gflops: of every trial of the method on this
-- backbone and stream, or on the stream's validation images, whatever its mixture, recipe, budget
-- and fate; searched: how many. gflops: of one run, without evaluation. error: 1 - a_ka after the
-- last task, over seeds with its 95 % t-interval; error_when_learned: 1 - acc_learn, each task
-- right after it was learned, NULL where the stream has no task matrix. pareto: among equal
-- backbone and stream no row has at most this search_gflops and at most this error, and less of one
-- of the two.
CREATE OR REPLACE VIEW search_frontier AS
WITH
searched_on AS (
    -- a stream, and the one that its choices are made on, either way
    SELECT name AS stream, name AS other FROM stream
    UNION SELECT name, stream.validation FROM stream WHERE stream.validation IS NOT NULL
    UNION SELECT stream.validation, name FROM stream WHERE stream.validation IS NOT NULL
),
search AS (
    SELECT trial.backbone, searched_on.stream, trial.method,
           count(DISTINCT trial.id) AS searched, sum(costs.flops) / 1e9 AS search_gflops
    FROM costs
    JOIN trial ON trial.id = costs.trial
    JOIN searched_on ON searched_on.other = trial.stream
    GROUP BY trial.backbone, searched_on.stream, trial.method
),
learned AS (
    SELECT backbone, stream, mixture, method, recipe, budget,
           1 - avg(acc_learn) AS error_when_learned
    FROM continual
    WHERE label_space = 'all'
    GROUP BY backbone, stream, mixture, method, recipe, budget
),
reached AS (
    SELECT cells.backbone, cells.stream, cells.mixture, cells.method, cells.recipe, cells.budget,
           cells.a_ka_seeds AS seeds, cells.a_ka_seeds < 3 AS few_seeds, search.searched,
           search.search_gflops, cells.gflops, 1 - cells.a_ka AS error,
           1 - cells.a_ka - cells.a_ka_half AS error_low,
           1 - cells.a_ka + cells.a_ka_half AS error_high,
           learned.error_when_learned
    FROM cells
    JOIN search ON search.backbone = cells.backbone AND search.method = cells.method
               AND search.stream = cells.stream
    LEFT JOIN learned ON learned.backbone = cells.backbone AND learned.stream = cells.stream
                     AND learned.mixture = cells.mixture AND learned.method = cells.method
                     AND learned.recipe = cells.recipe AND learned.budget = cells.budget
    WHERE cells.a_ka IS NOT NULL
)
SELECT reached.*, reached.search_gflops IS NOT NULL AND NOT EXISTS (
           SELECT 1
           FROM reached AS other
           WHERE other.backbone = reached.backbone AND other.stream = reached.stream
             AND other.search_gflops <= reached.search_gflops AND other.error <= reached.error
             AND (other.search_gflops < reached.search_gflops
                  OR other.error < reached.error)) AS pareto
FROM reached
ORDER BY reached.backbone, reached.stream, reached.search_gflops, reached.error, reached.method,
         reached.mixture, reached.recipe, reached.budget;
