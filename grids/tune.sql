-- Which learning rate for each cell of the demo? An equal sweep per cell, one seed that the demo
-- does not use, measured on validation images only (stream world_validation). Apply grids/demo.sql
-- first: it makes the base.
-- Answer:  python -m queries retention_at_budget stream=world_validation

INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT 'tiny_base', 'world_validation', cell.mixture, cell.method, 'tiny_lr_' || lr, 'steps_250',
       11, 'tune'
FROM (VALUES
    ('update_only', 'finetune'),
    ('update_only', 'ema_merge'),
    ('replay_thirds', 'finetune'),
    ('replay_thirds', 'ema_merge'),
    ('replay_thirds', 'ft_merge'),
    ('replay_thirds', 'lora_r8')
) AS cell(mixture, method), (SELECT unnest(['5e-4', '1e-3', '2e-3', '4e-3', '8e-3']) AS lr)
ON CONFLICT DO NOTHING;
