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

-- What the loss asks for, or holds back. FoMo-in-Flux's values where it has them, else the paper's; ZSCL's logit scale is frozen, as published.
INSERT INTO method (name, objective, objective_params, note) VALUES
('siglip', 'siglip', '{}', 'pairwise sigmoid loss (arXiv 2303.15343); where the backbone has no bias, a constant -10'),
('lixp', 'lixp', '{"alpha": 0.9}', 'contrastive loss with images also in the context of their batch (arXiv 2411.15099)'),
('l2_init', 'contrastive+l2_init', '{"l2_init": {"weight": 0.01, "anchor": "initial"}}',
 'L2 to the untouched backbone (arXiv 2308.11958); the weight must be tuned'),
('l2_start', 'contrastive+l2_init', '{"l2_init": {"weight": 0.01, "anchor": "start"}}',
 'L2 to where each task starts (arXiv 2203.17269): the control for ewc and si'),
('ewc_b512', 'contrastive+ewc', '{"ewc": {"weight": 1, "fisher_pairs": 50000, "fisher_batch_pairs": 512}}',
 'ewc with the published size of the batches of its Fisher whatever batch_pairs is, so that its weight carries over'),
('ewc_pair', 'contrastive+ewc',
 '{"ewc": {"weight": 1, "fisher_pairs": 2048, "fisher_batch_pairs": 32, "estimator": "pair"}}',
 'ewc (arXiv 1612.00796) with the gradient of each pair on its own squared: a backward pass per pair, so fewer pairs'),
('ewc_online', 'contrastive+ewc', '{"ewc": {"weight": 0.3, "decay": 0.9, "fisher_pairs": 50000}}',
 'ewc that forgets its Fisher (arXiv 1805.06370), with the values of a study of infinite dSprites'),
('si', 'contrastive+si', '{"si": {"weight": 0.5, "xi": 1}}',
 'synaptic intelligence (arXiv 1703.04200), along the steps that the optimizer takes'),
('mas', 'contrastive+mas', '{"mas": {"weight": 0.1, "alpha": 0.5, "importance_pairs": 50000}}',
 'memory aware synapses (arXiv 1711.09601) of the batch''s similarities'),
('lwf', 'contrastive+lwf', '{"lwf": {"alpha": 0.5, "temperature": 2}}',
 'learning without forgetting (arXiv 1606.09282): the teacher is the start of the task, on its own pairs'),
('zscl', 'contrastive+zscl',
 '{"contrastive": {"learn_temperature": false}, "zscl": {"weight": 1, "temperature": 2, "anchor_weight": 1}}',
 'distillation from the untouched backbone on pretraining pairs, and L2 to the task''s start (arXiv 2303.06628); needs pretraining_share > 0'),
('zscl_star', 'contrastive+zscl',
 '{"contrastive": {"learn_temperature": false}, "zscl": {"weight": 1, "temperature": 2, "anchor_weight": 0}}',
 'zscl without the L2: the starred variant of arXiv 2303.06628'),
('der', 'contrastive+der', '{"der": {"weight": 0.3, "buffer_pairs": 500}}',
 'dark experience replay (arXiv 2004.07211) of embeddings; keeps its own pairs, best with a mixture that has no buffer_share'),
('derpp', 'contrastive+derpp', '{"derpp": {"weight": 0.1, "contrastive_weight": 0.5, "buffer_pairs": 500}}',
 'der that also learns its kept pairs again (arXiv 2004.07211)'),
('gere', 'contrastive+gere', '{"gere": {"weight": 100, "width": 1, "general_pairs": 1000}}',
 'general samples replay with a margin on units (arXiv 2508.04676); needs pretraining_share > 0')
ON CONFLICT DO NOTHING;

-- P-RFCL (arXiv 2406.09384): one plain low-rank tuning, task after task, and what a penalty on weights adds to it.
INSERT INTO method (name, tuning, tuning_params, objective, objective_params, note) VALUES
('lora_ewc', 'lora', '{"rank": 4, "alpha": 4}', 'contrastive+ewc', '{"ewc": {"weight": 1, "decay": 1, "fisher_pairs": 50000}}',
 'P-RFCL (arXiv 2406.09384): lora_r4 with ewc on the weights in use'),
('lora_si', 'lora', '{"rank": 4, "alpha": 4}', 'contrastive+si', '{"si": {"weight": 0.5, "xi": 1}}',
 'P-RFCL (arXiv 2406.09384): lora_r4 with si on the weights in use')
ON CONFLICT DO NOTHING;
