-- Which test items were forgotten by whom, and what does each method say now?
-- grain: one row per (backbone, stream, dataset, label_space, way, item) that some trial forgot
-- trials: that were measured on it. forgot: how many of them were right before and are wrong now.
-- class: its own, where it has one. methods: those that forgot it, by name, each with the share of
-- its trials that did. taken_for: what these take it for now, most often first: names of classes, or
-- places of texts and images. before and now are tasks; now left out: the last of the stream. A
-- parameter left out means all.
CREATE OR REPLACE MACRO items_lost_by(
    dataset VARCHAR := NULL, stream VARCHAR := NULL, method VARCHAR := NULL,
    before INTEGER := 0, now INTEGER := NULL
) AS TABLE
WITH
changed AS (
    SELECT trial.backbone AS backbone_, trial.stream AS stream_, trial.method AS method_,
           each.dataset AS dataset_, each.label_space, each.way, each.item, each.label,
           each.answer_now, each.change = 'forgotten' AS lost
    FROM item_changes(before := before, now := now) AS each
    JOIN trial ON trial.id = each.trial
    WHERE (dataset IS NULL OR each.dataset = dataset)
      AND (stream IS NULL OR trial.stream = stream)
      AND (method IS NULL OR trial.method = method)
),
tried AS (
    SELECT backbone_, stream_, method_, dataset_, label_space, way, count(DISTINCT item) AS items,
           count(*) AS answers
    FROM changed
    GROUP BY backbone_, stream_, method_, dataset_, label_space, way
),
by_answer AS (
    SELECT * EXCLUDE (lost), count(*) AS times
    FROM changed WHERE lost
    GROUP BY ALL
),
by_method AS (
    SELECT backbone_, stream_, method_, dataset_, label_space, way, item, label,
           sum(times)::BIGINT AS times
    FROM by_answer
    GROUP BY ALL
),
who AS (
    SELECT by_method.backbone_, by_method.stream_, by_method.dataset_, by_method.label_space,
           by_method.way, by_method.item, by_method.label, sum(by_method.times)::BIGINT AS forgot,
           list({method: by_method.method_,
                 share: by_method.times / (tried.answers / tried.items)}
                ORDER BY by_method.method_) AS methods
    FROM by_method
    JOIN tried USING (backbone_, stream_, method_, dataset_, label_space, way)
    GROUP BY ALL
),
names AS (
    SELECT name, from_json(classes, '["VARCHAR"]') AS classes FROM dataset AS datasets
),
by_name AS (
    SELECT by_answer.backbone_, by_answer.stream_, by_answer.dataset_, by_answer.label_space,
           by_answer.way, by_answer.item, sum(by_answer.times) AS times,
           CASE WHEN by_answer.way = 'class' AND by_answer.answer_now < len(names.classes)
                THEN names.classes[by_answer.answer_now + 1]
                ELSE by_answer.answer_now::VARCHAR END AS answer
    FROM by_answer JOIN names ON names.name = by_answer.dataset_
    GROUP BY ALL
),
what AS (
    SELECT backbone_, stream_, dataset_, label_space, way, item,
           list(answer ORDER BY times DESC, answer) AS taken_for
    FROM by_name
    GROUP BY ALL
),
asked AS (
    SELECT backbone_, stream_, dataset_, label_space, way,
           sum(answers // items)::BIGINT AS trials
    FROM tried
    GROUP BY ALL
)
SELECT who.backbone_ AS backbone, who.stream_ AS stream, who.dataset_ AS dataset,
       who.label_space, who.way, who.item,
       CASE WHEN who.way = 'class' THEN names.classes[who.label + 1] END AS class,
       asked.trials, who.forgot, who.methods, what.taken_for
FROM who
JOIN what USING (backbone_, stream_, dataset_, label_space, way, item)
JOIN asked USING (backbone_, stream_, dataset_, label_space, way)
JOIN names ON names.name = who.dataset_
ORDER BY who.forgot DESC, 1, 2, 3, 4, 5, 6;
