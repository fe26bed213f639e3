-- Is one method better than another, and if that is open, how many more seeds would tell?
-- grain: one row per (backbone, stream, mixture, recipe, budget) with method `a` or `b` measured
-- It may be asked again after every new seed. It looks at 3, 6, 12, 24, ... pairs only, at 0.05 /
-- 2, / 4, / 8, ... (a group-sequential rule): `look` says at which of these the answer is,
-- `counted` how many of the `pairs` it counts, by seed; together the looks call equal methods
-- different in at most 5 % of studies. difference: mean of a - b over what is counted, with the
-- interval of that look, whose floor is the `resolution` of the test sets. wins, ties, losses: of
-- a; win_rate: ties half. verdict: the better one; tie (the interval holds 0); too few seeds
-- (before the first look). seeds_needed: the pairs of the first look at which a difference as large
-- as the present one, at the present spread, is told from 0 with probability `power`, NULL above
-- 768; more_seeds are missing until then where it is open, and `grid` is the INSERT for these (and
-- for those that only one method has). For a tie of a thousandth, more seeds are a waste: read the
-- interval first. recipes, chosen_on: as in `paired`. A method that was run elsewhere (finetune@fomo) is a
-- method of its own; its seeds are paired by their number alone, and there is no grid for it.
CREATE OR REPLACE MACRO decide(
    a VARCHAR := 'finetune', b VARCHAR := 'ema_merge', measure VARCHAR := 'gm', power DOUBLE := 0.8,
    recipes VARCHAR := 'equal', validation VARCHAR := NULL
) AS TABLE
WITH
seeded AS (
    SELECT one.*, count(one.difference) OVER setting AS pairs,
           count(one.difference) OVER (setting ORDER BY one.seed) AS place
    FROM paired(a := a, b := b, measure := measure, recipes := recipes,
                validation := validation) AS one
    WINDOW setting AS (PARTITION BY one.backbone, one.stream, one.mixture, one.recipe, one.budget)
),
looked AS (
    SELECT *, CASE WHEN pairs >= 3 THEN 1 + floor(log2(pairs / 3))::INTEGER ELSE 0 END AS look,
           CASE WHEN pairs >= 3 THEN (3 * 2 ** floor(log2(pairs / 3)))::BIGINT
                ELSE pairs END AS counted,
           CASE
                WHEN place <= CASE WHEN pairs >= 3 THEN 3 * 2 ** floor(log2(pairs / 3))
                                   ELSE pairs END
                THEN difference END AS apart
    FROM seeded
),
counted_ AS (
    SELECT backbone, stream, mixture, recipe, budget, look, counted, pairs,
           count(value_a) AS seeds_a, count(value_b) AS seeds_b, avg(apart) AS difference,
           CASE WHEN counted > 1 THEN greatest(stddev_samp(apart), max(resolution)) END AS spread,
           max(seed) AS last_seed,
           max(recipe_a) AS recipe_a, max(recipe_b) AS recipe_b,
           max(chosen_on) AS chosen_on,
           count(*) FILTER (WHERE apart > 0) AS wins, count(*) FILTER (WHERE apart = 0) AS ties,
           count(*) FILTER (WHERE apart < 0) AS losses,
           avg(CASE WHEN apart > 0 THEN 1.0 WHEN apart = 0 THEN 0.5
                    WHEN apart < 0 THEN 0.0 END) AS win_rate
    FROM looked
    GROUP BY backbone, stream, mixture, recipe, budget, look, counted, pairs
),
chance AS (
    -- the normal quantile of `power`: 26.2.23 of Abramowitz and Stegun (error below 0.00045)
    SELECT CASE WHEN power >= 0.5 THEN z ELSE -z END AS z
    FROM (
        SELECT u - (2.515517 + 0.802853 * u + 0.010328 * u ** 2)
                   / (1 + 1.432788 * u + 0.189269 * u ** 2 + 0.001308 * u ** 3) AS z
        FROM (
            SELECT CASE
                        WHEN power BETWEEN 0.01 AND 0.999
                        THEN sqrt(-2 * ln(least(power, 1 - power)))
                        ELSE error('power is a probability, in [0.01, 0.999], not '
                                   || power) END AS u)
    )
),
looks AS (
    SELECT number.look, (3 * 2 ** (number.look - 1))::BIGINT AS pairs, critical.t
    FROM range(1, 10) AS number(look)
    JOIN critical ON critical.halvings = number.look
        AND critical.df <= 3 * 2 ** (number.look - 1) - 1
                 AND critical.next_df > 3 * 2 ** (number.look - 1) - 1
),
needed AS (
    -- power of t at `pairs`, by the normal approximation of its noncentral distribution
    SELECT counted_.backbone, counted_.stream, counted_.mixture, counted_.recipe, counted_.budget,
           min(looks.pairs) AS seeds
    FROM counted_
    CROSS JOIN chance
    JOIN looks ON abs(counted_.difference) * sqrt(looks.pairs)
        >= (looks.t + chance.z * sqrt(1 + looks.t ** 2 / (2 * (looks.pairs - 1)))) * counted_.spread
    WHERE counted_.difference <> 0
    GROUP BY counted_.backbone, counted_.stream, counted_.mixture, counted_.recipe, counted_.budget
),
judged AS (
    SELECT counted_.*, looks.t * counted_.spread / sqrt(counted_.counted) AS half,
           needed.seeds AS seeds_needed,
           CASE WHEN counted_.look = 0 THEN 3 - counted_.pairs
                WHEN abs(counted_.difference) > looks.t * counted_.spread / sqrt(counted_.counted)
                THEN 0
                WHEN needed.seeds IS NOT NULL
                THEN greatest(needed.seeds, (3 * 2 ** counted_.look)::BIGINT) - counted_.pairs
           END AS more
    FROM counted_
    LEFT JOIN looks ON looks.look = counted_.look
    LEFT JOIN needed ON needed.backbone = counted_.backbone AND needed.stream = counted_.stream
                    AND needed.mixture = counted_.mixture AND needed.recipe = counted_.recipe
                    AND needed.budget = counted_.budget
),
written AS (
    SELECT judged.*, [chr(39) || replace(word, chr(39), chr(39) || chr(39)) || chr(39) FOR word IN [
        judged.backbone, judged.stream, judged.mixture, judged.budget, a, judged.recipe_a, b,
        judged.recipe_b, concat('decide ', a, ' or ', b)]] AS quoted
    FROM (SELECT judged.* REPLACE (
              CASE WHEN recipe = 'chosen' THEN recipe_a ELSE recipe END AS recipe_a,
              CASE WHEN recipe = 'chosen' THEN recipe_b ELSE recipe END AS recipe_b)
              FROM judged) AS judged
)
SELECT written.backbone, written.stream, written.mixture, written.recipe, written.budget,
       written.recipe_a, written.recipe_b, written.chosen_on, written.seeds_a, written.seeds_b, written.pairs,
       written.pairs < 3 AS few_seeds, written.look, written.counted, written.difference,
       written.difference - written.half AS difference_low,
       written.difference + written.half AS difference_high,
       written.wins, written.ties, written.losses, written.win_rate,
       CASE WHEN written.half IS NULL THEN 'too few seeds'
            WHEN written.difference > written.half THEN a || ' is better'
            WHEN written.difference < -written.half THEN b || ' is better'
            ELSE 'tie' END AS verdict,
       written.seeds_needed, written.more AS more_seeds,
       CASE WHEN written.more > 0 AND NOT contains(a || b, '@') THEN format(
           'INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study) '
           'SELECT {0}, {1}, {2}, method, recipe, {3}, seed, {8} '
           'FROM (VALUES ({4}, {5}), ({6}, {7})) AS methods(method, recipe), '
           'range({9}) AS seeds(seed) ON CONFLICT DO NOTHING;',
           quoted[1], quoted[2], quoted[3], quoted[4], quoted[5], quoted[6], quoted[7], quoted[8],
           quoted[9], greatest(written.last_seed + 1, written.pairs + written.more)) END AS grid
FROM written
ORDER BY 1, 2, 3, 4, 5;
