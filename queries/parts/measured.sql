-- What was measured on each dataset of the suite?
-- grain: one row per (trial, task, step, dataset, metric, label_space, weights, fraction)
-- Of members of the trial's suite, from the attempt that holds.
-- Only the metric and label space that the suite of the trial's stream names. at_end: measured
-- after the last step of the task. Answers use weights = 'deployed', fraction = 1, at_end.
CREATE OR REPLACE VIEW measured AS
SELECT result.trial, result.task, result.step, result.attempt, suite_member.role, result.dataset,
       result.metric, result.label_space, result.weights, result.fraction,
       result.value, result.examples, suite_member.weight, result.step = standing.step AS at_end
FROM result
JOIN standing USING (trial, task, attempt)
JOIN trial ON trial.id = result.trial
JOIN stream ON stream.name = trial.stream
JOIN suite_member ON suite_member.suite = stream.suite AND suite_member.dataset = result.dataset
    AND suite_member.metric = result.metric AND suite_member.label_space = result.label_space;
