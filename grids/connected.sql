-- Does a line of good models lead from each task's weights to the next? Three methods on the
-- embedded default, four tasks of ten new concepts each, 15 steps a task. The suite measures what
-- is taught, what is kept, and the same at three places between what two tasks in a row deploy.
-- Apply grids/demo.sql first: it makes the base.
-- Answer:  python -m queries connectivity
-- A run of it is kept in docpages/kept/connected and shown in docs/evaluations.md.

INSERT INTO suite (name, note)
VALUES ('connected', 'two sets that are taught, two that are kept, and the same between tasks')
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric)
SELECT 'connected', dataset, role, metric FROM suite_member
WHERE suite = 'world_connected' AND dataset IN ('crystals', 'duos', 'shape', 'scenes')
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note)
VALUES ('connected', 'world_random', 4, 'connected', '40 new concepts in four tasks of ten')
ON CONFLICT DO NOTHING;

INSERT INTO budget (name, unit, total, note)
VALUES ('steps_60', 'steps', 60, 'the stream connected: 15 steps a task')
ON CONFLICT DO NOTHING;

INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT 'tiny_base', 'connected', 'update_only', cell.method, cell.recipe, 'steps_60', 1, 'connected'
FROM (VALUES
    ('finetune', 'tiny_lr_2e-3'),
    ('ema_merge', 'tiny_lr_2e-3'),
    ('lora_r8', 'tiny_lr_8e-3')
) AS cell(method, recipe)
ON CONFLICT DO NOTHING;
