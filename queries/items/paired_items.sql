-- Is one method better than another, paired by seed and by test item together?
-- grain: one row per (backbone, stream, mixture, recipe, budget) with both methods and items
-- Of the members of a role whose metric is a mean of items (top1, top5, and recalls of retrieval):
-- difference = a - b of their weighted mean, over the seeds that both have, after task now (the last
-- of the stream if left out). Both the seeds and the items are taken for samples of all there could
-- be. seed_error is the standard error from seed to seed, item_error that from item to item, and
-- half = t * sqrt(seed_error^2 + item_error^2): the variance of the pigeonhole bootstrap (Owen 2007),
-- with degrees of freedom after Satterthwaite. It counts twice what belongs to neither alone, so it
-- covers at least as often as it says; docs/items.md simulates that. One seed says nothing of others:
-- half is NULL, and item_half holds for these two models. verdict: a, b, or tie.
CREATE OR REPLACE MACRO paired_items(
    a VARCHAR := 'finetune', b VARCHAR := 'ema_merge', role VARCHAR := 'retain',
    now INTEGER := NULL
) AS TABLE
WITH
part AS (
    -- which items a metric is the mean of, and their share in it
    SELECT unnest([
        {'metric': 'top1', 'way': 'class', 'below': 1, 'share': 1.0},
        {'metric': 'top5', 'way': 'class', 'below': 5, 'share': 1.0},
        {'metric': 'image_to_text_r1', 'way': 'image_to_text', 'below': 1, 'share': 1.0},
        {'metric': 'image_to_text_r5', 'way': 'image_to_text', 'below': 5, 'share': 1.0},
        {'metric': 'text_to_image_r1', 'way': 'text_to_image', 'below': 1, 'share': 1.0},
        {'metric': 'text_to_image_r5', 'way': 'text_to_image', 'below': 5, 'share': 1.0},
        {'metric': 'r1', 'way': 'image_to_text', 'below': 1, 'share': 0.5},
        {'metric': 'r1', 'way': 'text_to_image', 'below': 1, 'share': 0.5},
        {'metric': 'r5', 'way': 'image_to_text', 'below': 5, 'share': 0.5},
        {'metric': 'r5', 'way': 'text_to_image', 'below': 5, 'share': 0.5}], recursive := true)
),
member AS (
    SELECT asked_suite.stream, suite_member.dataset, suite_member.label_space, part.way,
           part.below,
           suite_member.weight
               / sum(suite_member.weight * part.share) OVER (PARTITION BY asked_suite.stream)
               * part.share AS weight,
           row_number() OVER (PARTITION BY asked_suite.stream) AS number
    FROM asked_suite
    JOIN suite_member ON suite_member.suite = asked_suite.suite AND suite_member.role = role
    JOIN part ON part.metric = suite_member.metric
),
side AS (
    SELECT trial.*, CASE WHEN trial.method = a THEN 1 ELSE -1 END AS sign,
           coalesce(now, stream.tasks) AS at_task
    FROM trial JOIN stream ON stream.name = trial.stream
    WHERE trial.method IN (a, b) AND a <> b
),
answered AS (
    SELECT side.backbone, side.stream, side.mixture, side.recipe, side.budget, side.seed,
           side.sign, member.number, member.weight, item.item,
           (item.rank < member.below)::INTEGER AS is_right
    FROM item
    JOIN side ON side.id = item.trial AND side.at_task = item.task
    JOIN member ON member.stream = side.stream AND member.dataset = item.dataset
        AND member.label_space = item.label_space AND member.way = item.way
),
difference AS MATERIALIZED (
    SELECT backbone, stream, mixture, recipe, budget, seed, number, weight, item,
           sum(sign * is_right)::INTEGER AS d
    FROM answered
    GROUP BY ALL
    HAVING count(*) = 2
),
cell AS (
    -- one row per seed and member
    SELECT backbone, stream, mixture, recipe, budget, seed, number, weight, count(*) AS items,
           avg(d) AS mean
    FROM difference
    GROUP BY ALL
),
seeded AS (
    SELECT backbone, stream, mixture, recipe, budget, seed, sum(weight * mean) AS mean,
           count(*) AS members
    FROM cell
    GROUP BY ALL
),
over_seeds AS (
    SELECT backbone, stream, mixture, recipe, budget, count(*) AS seeds, avg(mean) AS mean,
           var_samp(mean) / count(*) AS seed_variance
    FROM seeded
    WHERE members = (SELECT count(*) FROM member WHERE member.stream = seeded.stream)
    GROUP BY ALL
),
of_item AS (
    SELECT backbone, stream, mixture, recipe, budget, number, weight, item, avg(d) AS mean
    FROM difference
    GROUP BY ALL
),
over_items AS (
    SELECT backbone, stream, mixture, recipe, budget, number, weight, count(*) AS items,
           var_samp(mean) / count(*) AS variance
    FROM of_item
    GROUP BY ALL
),
all_items AS (
    SELECT backbone, stream, mixture, recipe, budget, sum(items)::BIGINT AS items,
           sum(weight * weight * variance) AS item_variance,
           sum((weight * weight * variance) ** 2 / nullif(items - 1, 0)) AS item_spread
    FROM over_items
    GROUP BY ALL
),
judged AS (
    SELECT over_seeds.*, all_items.items, all_items.item_variance,
           coalesce(seed_variance, 0) + item_variance AS variance,
           (coalesce(seed_variance, 0) + item_variance) ** 2
               / nullif(seed_variance ** 2 / (seeds - 1) + item_spread, 0) AS df
    FROM over_seeds JOIN all_items USING (backbone, stream, mixture, recipe, budget)
),
bounded AS (
    SELECT judged.*, student.t * sqrt(judged.variance) AS half
    FROM judged
    LEFT JOIN student ON student.df = least(1000, greatest(1, floor(judged.df)))::BIGINT
        AND judged.seeds > 1
)
SELECT backbone, stream, mixture, recipe, budget, seeds, seeds < 3 AS few_seeds, items,
       mean AS difference, half, mean - half AS difference_low, mean + half AS difference_high,
       sqrt(seed_variance) AS seed_error, sqrt(item_variance) AS item_error, df,
       1.959964 * sqrt(item_variance) AS item_half,
       CASE WHEN half IS NULL THEN 'too few seeds' WHEN mean > half THEN a
            WHEN mean < -half THEN b ELSE 'tie' END AS verdict
FROM bounded
ORDER BY backbone, stream, budget, recipe, mixture;
