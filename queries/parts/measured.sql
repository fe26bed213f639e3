-- What was measured on each dataset of the suite?
-- grain: one row per (trial, task, step, dataset, metric, label_space, weights, fraction) of a suite member, from the attempt that holds
-- Only the metric and label space that the suite of the trial's stream names. at_end: measured
-- after the last step of the task. Answers use weights = 'deployed', fraction = 1, at_end.
CREATE OR REPLACE VIEW measured AS
SELECT r.trial, r.task, r.step, r.attempt, m.role, r.dataset, r.metric, r.label_space, r.weights, r.fraction,
       r.value, r.examples, m.weight, r.step = s.step AS at_end
FROM result r
JOIN standing s USING (trial, task, attempt)
JOIN trial t ON t.id = r.trial
JOIN stream st ON st.name = t.stream
JOIN suite_member m ON m.suite = st.suite AND m.dataset = r.dataset AND m.metric = r.metric AND m.label_space = r.label_space;
