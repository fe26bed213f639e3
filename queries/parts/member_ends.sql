-- What did each trial reach on each member of its suite, after the last task?
-- grain: one row per (trial, role, dataset, metric, label_space) measured at the end of a stream
-- Deployed weights, whole test sets; adapt and retain members alone.
CREATE OR REPLACE VIEW member_ends AS
SELECT trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget,
       trial.seed,
       measured.trial, measured.role, measured.dataset, measured.metric, measured.label_space,
       measured.value
FROM measured
JOIN trial ON trial.id = measured.trial
JOIN stream ON stream.name = trial.stream
WHERE measured.weights = 'deployed' AND measured.fraction = 1 AND measured.at_end
  AND measured.task = stream.tasks AND measured.role IN ('adapt', 'retain');
