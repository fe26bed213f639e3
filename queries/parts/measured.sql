-- What was measured on each dataset of the suite?
-- grain: one row per (trial, task, step, dataset, metric, label_space, weights, fraction)
-- Of members of the trial's suite, from the attempt that holds, or measured later (`later`), where
-- that is newer.
-- Only the metric and label space that the suite of the trial's stream names, or the suite that is
-- asked about (`asked_suite`). at_end: measured after the last step of the task. Answers use
-- weights = 'deployed', fraction = 1, at_end.
CREATE OR REPLACE VIEW measured AS
SELECT trial, task, step, attempt, role, dataset, metric, label_space, weights, fraction, value,
       examples, weight, at_end
FROM member_values;
