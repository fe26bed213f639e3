-- Merging over time on CLIPs that others have fine-tuned, without training: the tuning `given`
-- takes the weights of each task from a checkpoint. Streams: merge_suite, merge_suite_14,
-- merge_suite_20 (a dataset a task). Backbones: vit_b32_openai, vit_b16_openai, vit_l14_openai.
-- Checkpoints: given/BACKBONE/DATASET in the data folder, as docs/ready_checkpoints.md has them.

INSERT INTO method (name, tuning, "start", note) VALUES
('given', 'given', 'initial', 'each task''s checkpoint as it is, without merging: the ceiling')
ON CONFLICT DO NOTHING;

-- The mergings of methods.sql with the same keys, on given checkpoints: all of them at the end of
-- each task (all), or a running merge, task after task (running). Where a running merge is begun
-- from makes no difference here, since nothing is trained.
INSERT INTO method (name, tuning, merging, merging_params, "start", deploy, note)
SELECT 'given_' || name, 'given', merging, params, 'initial', 'merged', note
FROM (VALUES
    ('mean', 'interpolate', '{"shares": "uniform", "over": "all"}',
     'the mean of all checkpoints so far'),
    ('ema', 'interpolate', '{"weight": 0.5, "over": "running"}',
     'half of the newest checkpoint, half of the merge before it'),
    ('task_arithmetic', 'task_arithmetic', '{"over": "all", "scale": 0.3}',
     'task arithmetic (arXiv 2212.04089), with its scale for eight CLIPs'),
    ('task_arithmetic_running', 'task_arithmetic', '{"over": "running", "scale": 0.3}',
     'task arithmetic (arXiv 2212.04089), folded task after task'),
    ('ties', 'ties', '{"over": "all", "keep": 0.2}',
     'TIES (arXiv 2306.01708), with its share of 20 %'),
    ('magmax', 'magmax', '{"over": "all", "scale": 0.5}',
     'MagMax (arXiv 2407.06322), with its scale')
) AS mergings(name, merging, params, note)
ON CONFLICT DO NOTHING;

INSERT INTO recipe (name, optimizer, lr, weight_decay, batch_pairs, note) VALUES
('nothing', 'adamw', 1e-5, 0, 64, 'for methods that train nothing; says nothing about them')
ON CONFLICT DO NOTHING;

INSERT INTO budget (name, unit, total, note) VALUES
('no_steps', 'steps', 100, 'for methods that train nothing, of streams of at most 100 tasks')
ON CONFLICT DO NOTHING;
