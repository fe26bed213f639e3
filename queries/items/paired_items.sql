-- Is one method better than another, paired by seed and by test item together?
-- grain: one row per (backbone, stream, mixture, recipe, budget) with both methods and items
-- Of the members of a role whose metric is a mean of items (top1, top5, and recalls of retrieval):
-- difference = a - b of their weighted mean, over the seeds that both have, after task now (the last
-- of the stream if left out). Both the seeds and the items are taken for samples of all there could
-- be. seed_error is the standard error from seed to seed, item_error that from item to item, and
-- half = sqrt((t * seed_error)^2 + (1.96 * item_error)^2), with t of seeds - 1 degrees of freedom:
-- both variances of the pigeonhole bootstrap (Owen 2007), each with its own quantile, so that the
-- interval holds at least as often as it says (Banerjee 1960); docs/items.md simulates that. One
-- seed says nothing of others: half is NULL, and item_half holds for these two models. verdict: a, b,
-- or tie.
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
    SELECT asked_suite.stream, suite_member.dataset, suite_member.label_space, suite_member.metric,
           suite_member.weight / sum(suite_member.weight) OVER (PARTITION BY asked_suite.stream)
               AS weight,
           row_number() OVER (PARTITION BY asked_suite.stream) AS number
    FROM asked_suite
    JOIN suite_member ON suite_member.suite = asked_suite.suite AND suite_member.role = role
    WHERE suite_member.metric IN (SELECT part.metric FROM part)
),
asked_part AS (
    SELECT member.*, part.way, part.below, part.share::DOUBLE AS share,
           count(*) OVER (PARTITION BY member.stream, member.number) AS ways
    FROM member JOIN part ON part.metric = member.metric
),
side AS (
    SELECT trial.*, CASE WHEN trial.method = a THEN 1 ELSE -1 END AS sign,
           coalesce(now, stream.tasks) AS at_task
    FROM trial JOIN stream ON stream.name = trial.stream
    WHERE trial.method IN (a, b) AND a <> b
),
answered AS (
    SELECT side.backbone, side.stream, side.mixture, side.recipe, side.budget, side.seed,
           asked_part.number, asked_part.weight, asked_part.ways, item.item,
           side.sign * asked_part.share * (item.rank < asked_part.below)::INTEGER AS d
    FROM item
    JOIN side ON side.id = item.trial AND side.at_task = item.task
    JOIN asked_part ON asked_part.stream = side.stream AND asked_part.dataset = item.dataset
        AND asked_part.label_space = item.label_space AND asked_part.way = item.way
),
difference AS MATERIALIZED (
    -- an image and its text are one item, whichever looks for the other
    SELECT backbone, stream, mixture, recipe, budget, seed, number, weight, item, sum(d) AS d
    FROM answered
    GROUP BY backbone, stream, mixture, recipe, budget, seed, number, weight, ways, item
    HAVING count(*) = 2 * ways
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
           sum(weight * weight * variance) AS item_variance
    FROM over_items
    GROUP BY ALL
),
bounded AS (
    SELECT over_seeds.*, all_items.items, all_items.item_variance,
           sqrt(student.t ** 2 * seed_variance + 1.959964 ** 2 * item_variance) AS half
    FROM over_seeds
    JOIN all_items USING (backbone, stream, mixture, recipe, budget)
    LEFT JOIN student ON student.df = over_seeds.seeds - 1
)
SELECT backbone, stream, mixture, recipe, budget, seeds, seeds < 3 AS few_seeds, items,
       mean AS difference, half, mean - half AS difference_low, mean + half AS difference_high,
       sqrt(seed_variance) AS seed_error, sqrt(item_variance) AS item_error,
       1.959964 * sqrt(item_variance) AS item_half,
       CASE WHEN half IS NULL THEN 'too few seeds' WHEN mean > half THEN a
            WHEN mean < -half THEN b ELSE 'tie' END AS verdict
FROM bounded
ORDER BY backbone, stream, budget, recipe, mixture;
