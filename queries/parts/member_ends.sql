-- What did each trial reach on each member of its suite, after the last task?
-- grain: one row per (trial, role, dataset, metric, label_space) measured at the end of a stream
-- Deployed weights, whole test sets; adapt and retain members alone.
CREATE OR REPLACE VIEW member_ends AS
SELECT one.backbone, one.stream, one.mixture, one.method, one.recipe, one.budget, one.seed,
       one.trial, one.role, one.dataset, one.metric, one.label_space, one.value
FROM member_values AS one
JOIN stream ON stream.name = one.stream
WHERE one.weights = 'deployed' AND one.fraction = 1 AND one.at_end
  AND one.task = stream.tasks AND one.role IN ('adapt', 'retain');
