-- How many test items did each trial forget, and how many did it gain?
-- grain: one row per (trial, dataset, label_space, way) whose suite keeps items
-- before and now are tasks; now left out: the last of the stream. As shares of the items:
-- right_before and right_now; forgotten: right before, wrong now; gained: wrong before, right now
-- (backward transfer). right_now = right_before - forgotten + gained. by_chance: what guessing
-- gives of either: whoever does not know guesses evenly among k candidates, so (1 - right_before) /
-- (k - 1) are right by luck before, of which 1 - right_now are expected wrong now, and the other way
-- round as many. *_adjusted: less by_chance, as Mapping Post-Training Forgetting (arXiv 2510.17776)
-- has it; below 0: less than guessing would give.
CREATE OR REPLACE MACRO items_forgotten(before INTEGER := 0, now INTEGER := NULL) AS TABLE
WITH
counted AS (
    SELECT changed.trial, changed.dataset, changed.label_space, changed.way, count(*) AS items,
           count_if(changed.right_before) / count(*) AS right_before,
           count_if(changed.right_now) / count(*) AS right_now,
           count_if(changed.change = 'forgotten') / count(*) AS forgotten,
           count_if(changed.change = 'gained') / count(*) AS gained,
           avg(1 / nullif(changed.candidates - 1, 0)) AS luck
    FROM item_changes(before := before, now := now) AS changed
    GROUP BY changed.trial, changed.dataset, changed.label_space, changed.way
),
by_luck AS (
    SELECT *, (1 - counted.right_before) * (1 - counted.right_now) * counted.luck AS by_chance
    FROM counted
)
SELECT trial.study, trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe,
       trial.budget, trial.seed, by_luck.trial, by_luck.dataset, by_luck.label_space, by_luck.way,
       by_luck.items, by_luck.right_before, by_luck.right_now, by_luck.forgotten, by_luck.gained,
       by_luck.by_chance, by_luck.forgotten - by_luck.by_chance AS forgotten_adjusted,
       by_luck.gained - by_luck.by_chance AS gained_adjusted
FROM by_luck JOIN trial ON trial.id = by_luck.trial
ORDER BY by_luck.trial, by_luck.dataset, by_luck.label_space, by_luck.way;
