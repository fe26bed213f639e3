-- Which seeds are missing, and which trials are worth declaring?
-- grain: one row per suggestion, the most urgent first
-- 1: seeds that are wanted and have failed or not run. 2: combinations with fewer than 3 seeds. 3:
-- methods that cannot be told from the best of their setting (gm, same recipe) though 3 or more
-- seeds are there: by `effect` with every_look, so it may be followed again and again, and calls
-- equal methods different in at most 5 % of studies. The reason says at which look it is. `grid`:
-- the INSERT of 2 and 3, up to the next look; it gives the best one the same seeds, since only
-- pairs tell (for 1 sync and `failures` have the answer).
CREATE OR REPLACE VIEW next AS
WITH
ended AS (
    SELECT backbone, stream, mixture, method, recipe, budget, count(*) AS seeds,
           max(seed) AS last_seed
    FROM trajectory
    -- what was run elsewhere gets no seeds here
    WHERE task = tasks AND NOT contains(method, '@')
    GROUP BY backbone, stream, mixture, method, recipe, budget
),
of_method AS MATERIALIZED (
    SELECT found.*, max(CASE found.verdict WHEN 'best' THEN found.choice END) OVER setting AS best,
           3 * 2 ** found.look::BIGINT AS next_pairs
    FROM effect(axis := 'method', measure := 'gm', every_look := TRUE) AS found
    WINDOW setting AS (
        PARTITION BY found.backbone, found.stream, found.mixture, found.recipe, found.budget)
),
suggested AS (
    SELECT 1 AS urgency,
           concat(missing, ' to run, ', failed, ' failed of ', seeds_wanted, ' seeds') AS reason,
           backbone, stream, mixture, method, recipe, budget, NULL::BIGINT AS seeds, NULL AS best
    FROM coverage
    WHERE missing + failed > 0
    UNION ALL
    SELECT 2, concat('only ', seeds, CASE seeds WHEN 1 THEN ' seed' ELSE ' seeds' END),
           backbone, stream, mixture, method, recipe, budget, greatest(last_seed + 1, 3), method
    FROM ended
    WHERE seeds < 3
    UNION ALL
    SELECT 3,
           format('gm is {:.3f} below the best, between {:.3f} and {:.3f} '
                  '(look {}; the next at {} pairs)',
                  of_method.behind, of_method.behind_low, of_method.behind_high, of_method.look,
                  of_method.next_pairs::BIGINT),
           of_method.backbone, of_method.stream, of_method.mixture, of_method.choice,
           of_method.recipe,
           of_method.budget, (ended.last_seed + 1 + of_method.next_pairs)::BIGINT
           - of_method.all_pairs,
           of_method.best
    FROM of_method
    JOIN ended ON ended.backbone = of_method.backbone AND ended.stream = of_method.stream
              AND ended.mixture = of_method.mixture AND ended.method = of_method.choice
              AND ended.recipe = of_method.recipe AND ended.budget = of_method.budget
    WHERE of_method.verdict = 'tie' AND of_method.pairs >= 3
),
written AS (
    SELECT suggested.*, [chr(39) || replace(word, chr(39), chr(39) || chr(39)) || chr(39) FOR word
                         IN [
        suggested.backbone, suggested.stream, suggested.mixture, suggested.recipe, suggested.budget,
        suggested.method, suggested.best]] AS quoted
    FROM suggested
)
SELECT urgency, reason, backbone, stream, mixture, method, recipe, budget,
       CASE WHEN seeds IS NOT NULL THEN format(
           'INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) '
           'SELECT {}, {}, {}, method, {}, {}, seed '
           'FROM (VALUES ({}){}) AS methods(method), range({}) AS seeds(seed) '
           'ON CONFLICT DO NOTHING;',
           quoted[1], quoted[2], quoted[3], quoted[4], quoted[5], quoted[6],
           CASE WHEN best <> method AND NOT contains(best, '@') THEN ', (' || quoted[7] || ')' ELSE '' END, seeds) END AS grid
FROM written
ORDER BY urgency, backbone, stream, budget, recipe, mixture, method;
