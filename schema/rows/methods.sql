-- Methods by the names of the literature, with their published defaults (FoMo-in-Flux, arXiv 2408.14471, unless said otherwise).
-- Any other combination of parts is one more row.

INSERT INTO method (name, note) VALUES
('finetune', 'full fine-tuning, task after task: the point of comparison')
ON CONFLICT DO NOTHING;

INSERT INTO method (name, tuning, tuning_params, note) VALUES
('locked_image', 'locked_image', '{}', 'the image tower stays: LiT (arXiv 2111.07991)'),
('locked_text', 'locked_text', '{}', 'the text tower stays'),
('lora_r4', 'lora', '{"rank": 4, "alpha": 4}', 'low-rank updates (arXiv 2106.09685), folded in after every task'),
('lora_r8', 'lora', '{"rank": 8, "alpha": 8}', 'as lora_r4, for tiny towers'),
('lora_r64', 'lora', '{"rank": 64, "alpha": 64}', 'as lora_r4, the larger rank of the paper')
ON CONFLICT DO NOTHING;

INSERT INTO method (name, objective, objective_params, note) VALUES
('ewc', 'contrastive+ewc', '{"ewc": {"weight": 1, "decay": 1, "fisher_pairs": 50000}}',
 'elastic weight consolidation (arXiv 1612.00796); the scale of its Fisher, and so its weight, depends on batch_pairs'),
('ewc_tiny', 'contrastive+ewc', '{"ewc": {"weight": 100, "decay": 1, "fisher_pairs": 1024}}', 'ewc for the procedural world')
ON CONFLICT DO NOTHING;

-- When weights are combined matters more than how (arXiv 2412.06712): these differ in what is merged, where a task begins, what is deployed.
INSERT INTO method (name, merging, merging_params, "start", deploy, note) VALUES
('ema_merge', 'interpolate', '{"weight": 0.5, "over": "running"}', 'merged', 'merged',
 'begin and deploy at the running average of task weights'),
('ft_merge', 'interpolate', '{"weight": 0.5, "over": "ends"}', 'last', 'merged',
 'train on unmerged, deploy half way back to the untouched backbone: WiSE-FT (arXiv 2109.01903) after every task'),
('zs_merge', 'interpolate', '{"weight": 0.5, "over": "running"}', 'initial', 'merged',
 'every task begins at the untouched backbone, the running average is deployed')
ON CONFLICT DO NOTHING;
