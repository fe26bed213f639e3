-- Which classes were forgotten, and as what are they taken now?
-- grain: one row per (setting, dataset, label_space, class) whose suite keeps items
-- setting: backbone, stream, mixture, method, recipe, budget. Means over seeds of shares of the
-- class's items: right_before, right_now, forgotten, gained (`items_forgotten`). taken_for: the
-- class that its items are most often taken for now where that is wrong, the first of equals, and
-- taken_share: of all of its items. A place above the dataset's classes is one of another dataset
-- of a `union`, by its number. before and now are tasks; now left out: the last of the stream. A
-- parameter left out means all.
CREATE OR REPLACE MACRO classes_forgotten(
    dataset VARCHAR := NULL, stream VARCHAR := NULL, before INTEGER := 0, now INTEGER := NULL
) AS TABLE
WITH
changed AS (
    SELECT trial.backbone AS backbone_, trial.stream AS stream_, trial.mixture, trial.method,
           trial.recipe, trial.budget, each.trial, each.dataset AS dataset_, each.label_space,
           each.label, each.answer_now, each.right_before, each.right_now
    FROM item_changes(before := before, now := now) AS each
    JOIN trial ON trial.id = each.trial
    WHERE each.way = 'class' AND (dataset IS NULL OR each.dataset = dataset)
      AND (stream IS NULL OR trial.stream = stream)
),
taken AS (
    -- of each class, how often it is taken for each
    SELECT changed.* EXCLUDE (right_before, right_now), count(*) AS items,
           count_if(right_before) AS before_, count_if(right_now) AS now_,
           count_if(right_before AND NOT right_now) AS lost,
           count_if(right_now AND NOT right_before) AS won
    FROM changed
    GROUP BY ALL
),
of_class AS (
    SELECT * EXCLUDE (trial, answer_now, items, before_, now_, lost, won),
           count(DISTINCT trial) AS seeds,
           sum(items)::BIGINT AS all_items, sum(before_) / sum(items) AS right_before,
           sum(now_) / sum(items) AS right_now, sum(lost) / sum(items) AS forgotten,
           sum(won) / sum(items) AS gained
    FROM taken
    GROUP BY ALL
),
wrongly AS (
    SELECT backbone_, stream_, mixture, method, recipe, budget, dataset_, label_space, label,
           answer_now, sum(items - now_) AS times
    FROM taken
    GROUP BY backbone_, stream_, mixture, method, recipe, budget, dataset_, label_space, label,
             answer_now
    HAVING sum(items - now_) > 0
    QUALIFY row_number() OVER (
        PARTITION BY backbone_, stream_, mixture, method, recipe, budget, dataset_, label_space,
                     label
        ORDER BY times DESC, answer_now) = 1
),
names AS (
    SELECT name, from_json(classes, '["VARCHAR"]') AS classes FROM dataset AS datasets
)
SELECT of_class.backbone_ AS backbone, of_class.stream_ AS stream, of_class.mixture,
       of_class.method, of_class.recipe, of_class.budget, of_class.dataset_ AS dataset,
       of_class.label_space, names.classes[of_class.label + 1] AS class, of_class.seeds,
       (of_class.all_items // of_class.seeds)::BIGINT AS items, of_class.right_before,
       of_class.right_now, of_class.forgotten, of_class.gained,
       CASE WHEN wrongly.answer_now < len(names.classes)
            THEN names.classes[wrongly.answer_now + 1]
            ELSE wrongly.answer_now::VARCHAR END AS taken_for,
       (wrongly.times / of_class.all_items)::DOUBLE AS taken_share
FROM of_class
JOIN names ON names.name = of_class.dataset_
LEFT JOIN wrongly ON wrongly.backbone_ = of_class.backbone_
    AND wrongly.stream_ = of_class.stream_ AND wrongly.mixture = of_class.mixture
    AND wrongly.method = of_class.method AND wrongly.recipe = of_class.recipe
    AND wrongly.budget = of_class.budget AND wrongly.dataset_ = of_class.dataset_
    AND wrongly.label_space = of_class.label_space AND wrongly.label = of_class.label
ORDER BY of_class.forgotten DESC, 1, 2, 3, 4, 5, 6, 7, 8, 9;
