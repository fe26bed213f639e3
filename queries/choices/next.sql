-- What should be run next?
-- grain: one row per suggestion, the most urgent first
-- 1: seeds that are wanted and have failed or not run. 2: combinations with fewer than 3 seeds. 3: methods that cannot be told from the best
-- of their sentence (measure gm, paired by seed) though 3 or more seeds are there. `grid`: the INSERT of 2 and 3, which gives the best one the
-- same seeds, since only pairs tell (for 1 sync and `failures` have the answer).
CREATE OR REPLACE VIEW next AS
WITH
ended AS (
    SELECT backbone, stream, mixture, method, recipe, budget, count(*) AS seeds, max(seed) AS last_seed
    FROM trajectory
    WHERE task = tasks
    GROUP BY ALL
),
of_method AS MATERIALIZED (
    SELECT e.*, max(CASE e.verdict WHEN 'best' THEN e.choice END) OVER sentence_of AS best
    FROM effect(axis := 'method', measure := 'gm') e
    WINDOW sentence_of AS (PARTITION BY e.backbone, e.stream, e.mixture, e.recipe, e.budget)
),
suggested AS (
    SELECT 1 AS urgency, concat(missing, ' to run, ', failed, ' failed of ', seeds_wanted, ' seeds') AS reason,
           backbone, stream, mixture, method, recipe, budget, NULL::BIGINT AS seeds, NULL AS best
    FROM coverage
    WHERE missing + failed > 0
    UNION ALL
    SELECT 2, concat('only ', seeds, CASE seeds WHEN 1 THEN ' seed' ELSE ' seeds' END),
           backbone, stream, mixture, method, recipe, budget, greatest(last_seed + 1, 3), method
    FROM ended
    WHERE seeds < 3
    UNION ALL
    SELECT 3, format('gm is {:.3f} below the best, between {:.3f} and {:.3f}', e.behind, e.behind_low, e.behind_high),
           e.backbone, e.stream, e.mixture, e.choice, e.recipe, e.budget, d.last_seed + 1 + e.pairs, e.best
    FROM of_method e
    JOIN ended d ON d.backbone = e.backbone AND d.stream = e.stream AND d.mixture = e.mixture AND d.method = e.choice
                AND d.recipe = e.recipe AND d.budget = e.budget
    WHERE e.verdict = 'tie' AND e.pairs >= 3
)
SELECT urgency, reason, backbone, stream, mixture, method, recipe, budget,
       CASE WHEN seeds IS NOT NULL THEN format(
           'INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) SELECT {}, {}, {}, method, {}, {}, seed '
           'FROM (VALUES ({}){}) AS methods(method), range({}) AS seeds(seed) ON CONFLICT DO NOTHING;',
           q[1], q[2], q[3], q[4], q[5], q[6], CASE WHEN best <> method THEN ', (' || q[7] || ')' ELSE '' END, seeds) END AS grid
FROM (SELECT s.*, [chr(39) || replace(word, chr(39), chr(39) || chr(39)) || chr(39)
                   FOR word IN [s.backbone, s.stream, s.mixture, s.recipe, s.budget, s.method, s.best]] AS q
      FROM suggested s)
ORDER BY urgency, backbone, stream, budget, recipe, mixture, method;
