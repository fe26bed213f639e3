-- Which points would mix whole test sets with parts of them? (No rows is good.)
-- grain: one row per (trial, task, dataset, metric, label_space, weights) measured at the end of a task on a part of its test set only
-- Answers use whole test sets alone, so such a value counts nowhere; but a task that has nothing
-- else looks as if it had not been measured. Only the last task and task 0 must be whole: in
-- between a part may be all there is.
CREATE OR REPLACE VIEW audit_fractions AS
SELECT m.trial, m.task, m.dataset, m.metric, m.label_space, m.weights, max(m.fraction) AS fraction
FROM measured m
JOIN trial t ON t.id = m.trial
JOIN stream st ON st.name = t.stream
WHERE m.at_end AND m.task IN (0, st.tasks)
GROUP BY ALL
HAVING max(m.fraction) < 1
ORDER BY ALL;
