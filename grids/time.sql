-- When to merge, and how? The grid of TIME (arXiv 2412.06712) on the embedded default: where a task
-- begins (the untouched backbone, where the last one ended, the running merge) by what is deployed
-- (the last task, the merge of all, the running merge) by eight techniques. In two of the nine
-- corners nothing is merged: 58 methods, three seeds. Apply grids/demo.sql first: it makes the
-- base.
-- Answer:  python -m queries retention_at_budget study=time

INSERT INTO method (name, merging, merging_params, "start", deploy, note)
SELECT concat_ws('_', 'time', technique, init.word, deployed.word), merging,
       json_merge_patch(
           own,
           CASE WHEN deployed.over IS NULL THEN json_object('over', init.over)
                WHEN init.over IS NULL THEN json_object('over', deployed.over)
                ELSE json_object('over', deployed.over, 'start_over', init.over) END
       ),
       init.rule, deployed.rule,
       'begins at ' || init.word || ', deploys ' || deployed.word || ' (arXiv 2412.06712)'
FROM (VALUES
    ('average', 'interpolate', '{"shares": "uniform"}'),
    ('slerp', 'slerp', '{"shares": "uniform"}'),
    ('task_arithmetic', 'task_arithmetic', '{"scale": 0.3}'),
    ('ties', 'ties', '{"keep": 0.3}'),
    ('dare_ties', 'dare_ties', '{"drop": 0.7}'),
    ('breadcrumbs_ties', 'breadcrumbs', '{"top": 0.01, "bottom": 0.7}'),
    ('magmax', 'magmax', '{}'),
    ('model_stock', 'model_stock', '{}')
) AS how(technique, merging, own),
    (VALUES
        ('zs', 'initial', NULL), ('ft', 'last', NULL), ('ema', 'merged', 'running')
    ) AS init(word, rule, over),
    (VALUES
        ('ft', 'last', NULL), ('all', 'merged', 'all'), ('ema', 'merged', 'running')
    ) AS deployed(word, rule, over)
WHERE init.over IS NOT NULL OR deployed.over IS NOT NULL
ON CONFLICT DO NOTHING;

INSERT INTO method (name, "start", note)
VALUES ('time_zs_ft', 'initial', 'every task from the backbone, deployed as it is')
ON CONFLICT DO NOTHING;

INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT 'tiny_base', 'world', 'replay_thirds', method.name, 'tiny_lr_2e-3', 'steps_250',
       seeds.seed, 'time'
FROM method, (VALUES (1), (2), (3)) AS seeds(seed)
WHERE method.name LIKE 'time\_%' ESCAPE '\' OR method.name = 'finetune'
ON CONFLICT DO NOTHING;
