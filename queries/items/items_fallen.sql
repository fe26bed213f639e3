-- How many test items fell meanwhile, and how many came back?
-- grain: one row per (trial, dataset, label_space, way) whose suite keeps items
-- The stability gap item by item (of means: `stability_gap`, arXiv 2205.13452), over the ends of
-- the tasks after `before` up to `now`; now left out: the last of the stream. As shares of the
-- items: right_before and right_now; lowest: right at the worst of these tasks, and that task; gap:
-- right_before - lowest. fallen: right before and wrong after at least one of them, which is at
-- least the gap, as each item falls in its own time. came_back: those of them that are right now,
-- which `items_forgotten` does not see. depth: the mean over items that were right before of their
-- margin then less the lowest since, in cosines.
CREATE OR REPLACE MACRO items_fallen(before INTEGER := 0, now INTEGER := NULL) AS TABLE
WITH
seen AS MATERIALIZED (
    SELECT item.trial, item.dataset, item.label_space, item.way, item.item, item.task,
           item.is_right, item.margin, coalesce(now, stream.tasks) AS last_task
    FROM item
    JOIN trial ON trial.id = item.trial
    JOIN stream ON stream.name = trial.stream
    WHERE item.task BETWEEN before AND coalesce(now, stream.tasks)
),
along AS (
    SELECT seen.trial, seen.dataset, seen.label_space, seen.way, seen.item,
           bool_or(seen.is_right) FILTER (WHERE seen.task = before) AS right_before,
           bool_or(seen.is_right) FILTER (WHERE seen.task = seen.last_task) AS right_now,
           NOT bool_and(seen.is_right) FILTER (WHERE seen.task > before) AS ever_wrong,
           max(seen.margin) FILTER (WHERE seen.task = before)
           - min(seen.margin) FILTER (WHERE seen.task > before) AS depth
    FROM seen
    GROUP BY seen.trial, seen.dataset, seen.label_space, seen.way, seen.item
),
counted AS (
    SELECT along.trial, along.dataset, along.label_space, along.way, count(*) AS items,
           count_if(along.right_before) / count(*) AS right_before,
           count_if(along.right_now) / count(*) AS right_now,
           count_if(along.right_before AND along.ever_wrong) / count(*) AS fallen,
           count_if(along.right_before AND along.ever_wrong AND along.right_now) / count(*)
           AS came_back,
           avg(along.depth) FILTER (WHERE along.right_before) AS depth
    FROM along
    WHERE along.right_before IS NOT NULL AND along.right_now IS NOT NULL
    GROUP BY along.trial, along.dataset, along.label_space, along.way
),
at_task AS (
    SELECT seen.trial, seen.dataset, seen.label_space, seen.way, seen.task,
           count_if(seen.is_right) / count(*) AS share
    FROM seen
    WHERE seen.task > before
    GROUP BY seen.trial, seen.dataset, seen.label_space, seen.way, seen.task
),
worst AS (
    SELECT at_task.trial, at_task.dataset, at_task.label_space, at_task.way,
           min(at_task.share) AS lowest, arg_min(at_task.task, (at_task.share, at_task.task)) AS task
    FROM at_task
    GROUP BY at_task.trial, at_task.dataset, at_task.label_space, at_task.way
)
SELECT trial.study, trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe,
       trial.budget, trial.seed, counted.trial, counted.dataset, counted.label_space, counted.way,
       counted.items, counted.right_before, counted.right_now, worst.lowest, worst.task,
       counted.right_before - worst.lowest AS gap, counted.fallen, counted.came_back, counted.depth
FROM counted
JOIN worst ON worst.trial = counted.trial AND worst.dataset = counted.dataset
    AND worst.label_space = counted.label_space AND worst.way = counted.way
JOIN trial ON trial.id = counted.trial
ORDER BY counted.trial, counted.dataset, counted.label_space, counted.way;
