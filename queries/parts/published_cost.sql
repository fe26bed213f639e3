-- What did FoMo-in-Flux publish that a step of each method costs?
-- grain: one row per (backbone, batch_pairs, method)
-- Of its table of compute in `reference_result`, whose names are ours but for case and signs. Its
-- memory is what the driver said was in use, and its EWC pays for a Fisher pass at every step.
-- once_gflops: 0, since what runs once in a task is in its step. steps: of a task, by the number
-- of tasks, where they are published.
CREATE OR REPLACE VIEW published_cost AS
WITH
reference AS (
    SELECT setting::JSON ->> 'backbone' AS backbone,
           (setting::JSON ->> 'batch_pairs')::INTEGER AS batch_pairs,
           replace(replace(regexp_replace(lower(setting::JSON ->> 'method'), '[ -]', '_', 'g'),
                           'r=', 'r'), 'full_ft', 'finetune') AS method,
           (setting::JSON ->> 'tasks')::INTEGER AS tasks, metric, value
    FROM reference_result
    WHERE source = 'FoMo-in-Flux, compute' AND provenance = 'seen'
)
SELECT reference.backbone, reference.batch_pairs, reference.method,
       any_value(reference.value) FILTER (WHERE metric = 'step_gflops') AS step_gflops,
       any_value(reference.value) FILTER (WHERE metric = 'memory_multiplier') AS multiplier,
       0.0::DOUBLE AS once_gflops,
       list({tasks: reference.tasks, steps: reference.value::BIGINT} ORDER BY reference.tasks)
           FILTER (WHERE metric = 'steps_per_task') AS steps
FROM reference
GROUP BY reference.backbone, reference.batch_pairs, reference.method
ORDER BY reference.backbone, reference.batch_pairs, reference.method;
