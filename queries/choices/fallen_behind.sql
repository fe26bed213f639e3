-- Which trials of a search have fallen behind after some of their tasks, and need not go on?
-- grain: one row per trial to be withdrawn
-- For a rule; its rows are wishes. Successive halving along the stream: as soon as all trials of a
-- method in `study` have been measured after task `after_task`, the share `keep` of its recipes
-- with the highest mean of `measure` goes on, at least one, and the others are withdrawn at their
-- next checkpoint. Those that go on are the same trials, so nothing is trained twice, and their
-- schedule is that of the whole budget (`halving` begins anew with a larger one). Of several rungs
-- each is a rule, and keep is a share of all recipes of the search. It saves what trials of one
-- method have left when the last of them gets there, so run them side by side. It chooses on
-- streams that are some stream's `validation` and refuses others, unless on_test says that test
-- images may choose.
CREATE OR REPLACE MACRO fallen_behind(
    study VARCHAR := 'search', after_task INTEGER := 1, keep DOUBLE := 0.5,
    measure VARCHAR := 'gm', on_test BOOLEAN := FALSE
) AS TABLE
SELECT rung.trial, 'withdraw' AS wish,
       concat('recipe ', rung.rank, ' of ', rung.recipes, ' by ', measure, ' after task ',
              after_task) AS reason
FROM rung_after(study := study, after_task := after_task, keep := keep, measure := measure,
                on_test := on_test) AS rung
WHERE rung.decided AND NOT rung.goes_on AND rung.is_open
ORDER BY rung.trial;
