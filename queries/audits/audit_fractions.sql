-- Which points would mix whole test sets with parts of them? (No rows is good.)
-- grain: one row per (trial, task, dataset, metric, label_space, weights) measured in part only
-- Answers use whole test sets alone, so such a value counts nowhere; but a task that has nothing
-- else looks as if it had not been measured. Only the last task and task 0 must be whole: in
-- between a part may be all there is.
CREATE OR REPLACE VIEW audit_fractions AS
SELECT measured.trial, measured.task, measured.dataset, measured.metric, measured.label_space,
       measured.weights, max(measured.fraction) AS fraction
FROM measured
JOIN trial ON trial.id = measured.trial
JOIN stream ON stream.name = trial.stream
WHERE measured.at_end AND measured.task IN (0, stream.tasks)
GROUP BY ALL
HAVING max(measured.fraction) < 1
ORDER BY ALL;
