-- Which learning rate for each cell of the demo? Two rules find out: `tune` tries five rates for
-- each cell, with one seed that the demo does not use, on validation images only (stream
-- world_validation); `tuned demo` runs each cell at the rate that was best there, with three seeds
-- that the search did not use. Apply grids/demo.sql first: it makes the base, and has the rates
-- that came out. Twenty minutes of a core for the search, and twelve for what follows.
-- Answer:  python -m queries retention_at_budget stream=world_validation

INSERT INTO study (name, hypothesis) VALUES
('tune', 'the best rate differs between methods, so that equal rates would compare nothing')
ON CONFLICT DO NOTHING;

INSERT INTO rule (name, query, most_trials, note) VALUES
('tune', $$
    SELECT 'tiny_base' AS backbone, 'world_validation' AS stream, cell.mixture, cell.method,
           'tiny_lr_' || rate.lr AS recipe, 'steps_250' AS budget, 11 AS seed, 'tune' AS study
    FROM (VALUES
        ('update_only', 'finetune'),
        ('update_only', 'ema_merge'),
        ('replay_thirds', 'finetune'),
        ('replay_thirds', 'ema_merge'),
        ('replay_thirds', 'ft_merge'),
        ('replay_thirds', 'lora_r8')
    ) AS cell(mixture, method), (SELECT unnest(['5e-4', '1e-3', '2e-3', '4e-3', '8e-3']) AS lr) AS rate
    ORDER BY 3 DESC, 4, 5 $$, 30, 'an equal sweep per cell'),
('tuned demo', $$SELECT * FROM tuned(seeds := 3, study := 'tune', draws := 5)$$, 18,
 'the cells of grids/demo.sql, with seeds 12 to 14')
ON CONFLICT DO NOTHING;
