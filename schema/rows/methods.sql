-- Methods by the names of the literature, with their published defaults (FoMo-in-Flux, arXiv
-- 2408.14471, unless said otherwise). Any other combination of parts is one more row.

INSERT INTO method (name, note) VALUES
('finetune', 'full fine-tuning, task after task: the point of comparison')
ON CONFLICT DO NOTHING;

INSERT INTO method (name, tuning, tuning_params, note) VALUES
('locked_image', 'locked_image', '{}', 'the image tower stays: LiT (arXiv 2111.07991)'),
('locked_text', 'locked_text', '{}', 'the text tower stays'),
('lora_r4', 'lora', '{"rank": 4, "alpha": 4}',
 'low-rank updates (arXiv 2106.09685), folded in after every task'),
('lora_r8', 'lora', '{"rank": 8, "alpha": 8}', 'as lora_r4, for tiny towers'),
('lora_r64', 'lora', '{"rank": 64, "alpha": 64}', 'as lora_r4, the larger rank of the paper')
ON CONFLICT DO NOTHING;

INSERT INTO method (name, objective, objective_params, note) VALUES
('ewc', 'contrastive+ewc', '{"ewc": {"weight": 1, "decay": 1, "fisher_pairs": 50000}}',
 'elastic weight consolidation (arXiv 1612.00796); the scale of its Fisher, and so its weight, '
 || 'depends on batch_pairs'),
('ewc_tiny', 'contrastive+ewc', '{"ewc": {"weight": 100, "decay": 1, "fisher_pairs": 1024}}',
 'ewc for the procedural world')
ON CONFLICT DO NOTHING;

-- When weights are combined matters more than how (arXiv 2412.06712): these differ in what is
-- merged, where a task begins, what is deployed.
INSERT INTO method (name, merging, merging_params, "start", deploy, note) VALUES
('ema_merge', 'interpolate', '{"weight": 0.5, "over": "running"}', 'merged', 'merged',
 'begin and deploy at the running average of task weights'),
('ft_merge', 'interpolate', '{"weight": 0.5, "over": "ends"}', 'last', 'merged',
 'train on unmerged, deploy half way back to the untouched backbone: WiSE-FT (arXiv 2109.01903) '
 || 'after every task'),
('zs_merge', 'interpolate', '{"weight": 0.5, "over": "running"}', 'initial', 'merged',
 'every task begins at the untouched backbone, the running average is deployed')
ON CONFLICT DO NOTHING;

-- Mergings over tasks. ema: the running merge is begun from and deployed; zs: it is deployed, and
-- every task begins at the untouched backbone; ft: half way back to the backbone is deployed and
-- training goes on unmerged; all: every task begins at the backbone and all of them are merged
-- (offline merging). Shares and scales are FoMo-in-Flux's for each use, unless the note says
-- otherwise.
INSERT INTO method (name, merging, merging_params, "start", deploy, note)
SELECT 'slerp_' || use, 'slerp', params, "start", 'merged',
    'spherical interpolation (over time: arXiv 2412.06712)'
FROM (VALUES
    ('ema', '{"over": "running"}', 'merged'),
    ('zs', '{"over": "running"}', 'initial'),
    ('ft', '{"over": "ends"}', 'last'),
    ('all', '{"over": "all", "shares": "uniform"}', 'initial')
) AS uses(use, params, "start")
UNION ALL
SELECT 'ties_' || use, 'ties', params, "start", 'merged',
    'trim, elect signs, average what agrees (arXiv 2306.01708)'
FROM (VALUES
    ('ema', '{"over": "running", "keep": 0.3}', 'merged'),
    ('zs', '{"over": "running", "keep": 0.3}', 'initial'),
    ('ft', '{"over": "ends", "keep": 0.3}', 'last'),
    ('all', '{"over": "all", "keep": 0.8}', 'initial')
) AS uses(use, params, "start")
UNION ALL
SELECT 'dare_ties_' || use, 'dare_ties', params, "start", 'merged',
    'drop at random, enlarge, elect signs (arXiv 2311.03099)'
FROM (VALUES
    ('ema', '{"over": "running", "drop": 0.7}', 'merged'),
    ('zs', '{"over": "running", "drop": 0.7}', 'initial'),
    ('ft', '{"over": "ends", "drop": 0.7}', 'last'),
    ('all', '{"over": "all", "drop": 0.2}', 'initial')
) AS uses(use, params, "start")
UNION ALL
SELECT 'breadcrumbs_ties_' || use, 'breadcrumbs', params, "start", 'merged',
    'leave out both ends, elect signs (arXiv 2312.06795)'
FROM (VALUES
    ('ema', '{"over": "running", "top": 0.01, "bottom": 0.7}', 'merged'),
    ('zs', '{"over": "running", "top": 0.01, "bottom": 0.7}', 'initial'),
    ('ft', '{"over": "ends", "top": 0.01, "bottom": 0.7}', 'last'),
    ('all', '{"over": "all", "top": 0.01, "bottom": 0.2}', 'initial')
) AS uses(use, params, "start")
ON CONFLICT DO NOTHING;

-- Of a single task these keep the direction it learned, so an ft of theirs would be ft_merge with
-- another weight.
INSERT INTO method (name, merging, merging_params, "start", deploy, note) VALUES
('task_arithmetic_ema', 'task_arithmetic', '{"over": "running", "scale": 0.1}', 'merged', 'merged',
 'the sum of task vectors (arXiv 2212.04089), a tenth of it; what was there before shrinks '
 || 'tenfold at every task'),
('task_arithmetic_zs', 'task_arithmetic', '{"over": "running", "scale": 0.1}', 'initial', 'merged',
 'as task_arithmetic_ema'),
('task_arithmetic_all', 'task_arithmetic', '{"over": "all", "scale": 0.8}', 'initial', 'merged',
 'offline, with its scale'),
('breadcrumbs', 'breadcrumbs',
 '{"over": "all", "top": 0.01, "bottom": 0.85, "elect": false, "scale": 0.3}', 'initial', 'merged',
 'the sum of task vectors without their extremes (arXiv 2312.06795); the scale is to be tuned'),
('magmax', 'magmax', '{"over": "all", "scale": 0.5}', 'last', 'merged',
 'learn task after task, deploy the largest move of every weight (arXiv 2407.06322)'),
('magmax_ema', 'magmax', '{"over": "running"}', 'merged', 'merged',
 'magmax of the running merge and the task'),
('magmax_zs', 'magmax', '{"over": "running"}', 'initial', 'merged',
 'every task from the backbone; the largest move of every weight'),
('magmax_all', 'magmax', '{"over": "all"}', 'initial', 'merged',
 'offline; equals magmax_zs, folded or not'),
('model_stock', 'model_stock', '{"over": "all"}', 'initial', 'merged',
 'the mean of fine-tuned weights, shortened by the angle between them (arXiv 2403.19522)'),
('model_stock_ema', 'model_stock', '{"over": "running"}', 'merged', 'merged',
 'model_stock of the running merge and the task'),
('model_stock_zs', 'model_stock', '{"over": "running"}', 'initial', 'merged',
 'as model_stock_ema, from the backbone'),
('tall_masks', 'tall_masks', '{"over": "all", "tall": 0.4, "tasks": 2, "scale": 0.3}', 'initial',
 'merged',
 'the sum of task vectors where two tasks need it (arXiv 2405.07813); the scale is to be tuned'),
('tall_masks_ema', 'tall_masks', '{"over": "running", "tall": 0.4, "tasks": 1, "scale": 0.5}',
 'merged', 'merged',
 'as tall_masks for one task at least; half the sum, because the whole would double at every task'),
('tall_masks_zs', 'tall_masks', '{"over": "running", "tall": 0.4, "tasks": 1, "scale": 0.5}',
 'initial', 'merged', 'as tall_masks_ema')
ON CONFLICT DO NOTHING;

INSERT INTO method (name, merging, merging_params, "start", deploy, note) VALUES
('wise_ft', 'interpolate', '{"weight": 0.5, "over": "ends"}', 'last', 'merged',
 'half way to the untouched backbone (arXiv 2109.01903): ft_merge by the name of its paper'),
('wise_ft_previous', 'interpolate', '{"weight": 0.8, "over": "running"}', 'merged', 'merged',
 'towards what was deployed before the task, as in the comparisons of ZSCL (arXiv 2303.06628)'),
('paint', 'interpolate', '{"weight": 0.5, "over": "ends"}', 'merged', 'merged',
 'half way to the untouched backbone, and begun from (arXiv 2208.05592); the paper chooses the '
 || 'weight on held-out data'),
('paint_parallel', 'interpolate',
 '{"shares": "uniform", "over": "all", "lines": {"alpha": 0.5, "beta": 0}}', 'initial', 'merged',
 'every task from the backbone, half way from it to their mean (arXiv 2208.05592)'),
('patching', 'interpolate', '{"weight": 0.5, "over": "running"}', 'merged', 'merged',
 'one patch on top of the other (sequential patching of arXiv 2208.05592): ema_merge by the name '
 || 'of its paper'),
('zs_merge_all', 'interpolate', '{"shares": "uniform", "over": "all"}', 'initial', 'merged',
 'every task from the backbone, the mean of all of them is deployed: offline merging (arXiv '
 || '2412.06712)'),
('zs_merge_all_initial', 'interpolate', '{"shares": "uniform", "initial": true, "over": "all"}',
 'initial', 'merged',
 'as zs_merge_all, the backbone among them'),
('ft_merge_all', 'interpolate', '{"shares": "uniform", "over": "all"}', 'last', 'merged',
 'task after task, the mean of all of them is deployed'),
('lines_ema', 'interpolate',
 '{"weight": 0.5, "over": "running", "lines": {"alpha": 0.5, "beta": 0.5}}', 'merged', 'merged',
 'ema_merge, early blocks closer to the backbone (LiNeS, arXiv 2410.17146)'),
('lines_all', 'interpolate',
 '{"shares": "uniform", "over": "all", "lines": {"alpha": 0.5, "beta": 0.5}}', 'initial', 'merged',
 'zs_merge_all, early blocks closer to the backbone (LiNeS, arXiv 2410.17146)')
ON CONFLICT DO NOTHING;

INSERT INTO method (name, merging, merging_params, "start", deploy, note)
SELECT 'zs_merge_' || shares, 'interpolate', json_object('shares', shares, 'over', 'all'),
    'initial', 'merged',
       'zs_merge_all, with shares by the place of a task (arXiv 2412.06712)'
FROM (SELECT prefix || shape AS shares
      FROM (VALUES (''), ('reverse_')) AS p(prefix), (VALUES ('log'), ('sqrt'), ('linear'),
          ('quadratic'), ('cubic'), ('exp')) AS s(shape))
ON CONFLICT DO NOTHING;

-- Averages over the steps of a task.
INSERT INTO method (name, tuning, tuning_params, merging, merging_params, "start", deploy,
    note) VALUES
('step_ema', 'full', '{}', 'ema_step', '{"decay": 0.999, "restart": false}', 'last', 'merged',
 'slow weights follow every step and are deployed'),
('every_k', 'full', '{}', 'every_k', '{"every": 100, "restart": true}', 'merged', 'merged',
 'the mean over every hundredth step, begun from and deployed: the weight ensemble of ZSCL '
 || '(arXiv 2303.06628)'),
('lae_slow', 'full', '{}', 'ema_step', '{"decay": 0.9999, "restart": false}', 'last', 'merged',
 'the offline weights of LAE (arXiv 2303.10070), deployed without its second expert'),
('ilora_slow', 'lora', '{"rank": 8, "alpha": 32}', 'ema_step',
 '{"decay": 0.25, "ramp": true, "restart": false}', 'last', 'merged',
 'the slow weights of I-LoRA (arXiv 2402.18865), without its consistency loss')
ON CONFLICT DO NOTHING;

INSERT INTO method (name, tuning, tuning_params, objective, objective_params, merging,
    merging_params, "start", deploy, note) VALUES
('ilora', 'lora', '{"rank": 8, "alpha": 32}', 'contrastive+ilora',
 '{"ilora": {"weight": 1, "decay": 0.25}}', 'ema_step', '{"decay": 0.25, "restart": false}',
 'last', 'merged',
 'I-LoRA (arXiv 2402.18865): replayed pairs keep the embeddings of the slow weights, which are '
 || 'deployed; needs buffer_share > 0')
ON CONFLICT DO NOTHING;

-- Every task ends by a cooldown, which is deployed; the next one goes on from before it. With a
-- recipe whose schedule is infinite or wsd, and whose cooldown is the same.
INSERT INTO method (name, merging, merging_params, "start", deploy, note) VALUES
('infinite', 'before_cooldown', '{"cooldown": 0.1}', 'merged', 'last',
 'the cooled branch is deployed, training goes on from where it began (arXiv 2503.02844)')
ON CONFLICT DO NOTHING;

-- A stage after the task (repair).
INSERT INTO method (name, repair, repair_params, note) VALUES
('fpf', 'fpf', '{"share": 0.05}',
 'after every task only norms, patches and projections learn, on the buffer (arXiv 2304.04158)'),
('k_fpf', 'fpf', '{"share": 0.1}',
 'fpf with a longer burst; for a mixture without a buffer share, where it is the only replay '
 || '(arXiv 2304.04158)')
ON CONFLICT DO NOTHING;

-- What the loss asks for, or holds back. FoMo-in-Flux's values where it has them, else the paper's;
-- ZSCL's logit scale is frozen, as published.
INSERT INTO method (name, objective, objective_params, note) VALUES
('siglip', 'siglip', '{}',
 'pairwise sigmoid loss (arXiv 2303.15343); where the backbone has no bias, a constant -10'),
('lixp', 'lixp', '{"alpha": 0.9}',
 'contrastive loss with images also in the context of their batch (arXiv 2411.15099)'),
('l2_init', 'contrastive+l2_init', '{"l2_init": {"weight": 0.01, "anchor": "initial"}}',
 'L2 to the untouched backbone (arXiv 2308.11958); the weight must be tuned'),
('l2_start', 'contrastive+l2_init', '{"l2_init": {"weight": 0.01, "anchor": "start"}}',
 'L2 to where each task starts (arXiv 2203.17269): the control for ewc and si'),
('ewc_b512', 'contrastive+ewc',
 '{"ewc": {"weight": 1, "fisher_pairs": 50000, "fisher_batch_pairs": 512}}',
 'ewc with the published size of the batches of its Fisher whatever batch_pairs is, so that its '
 || 'weight carries over'),
('ewc_pair', 'contrastive+ewc',
 '{"ewc": {"weight": 1, "fisher_pairs": 2048, "fisher_batch_pairs": 32, "estimator": "pair"}}',
 'ewc (arXiv 1612.00796) with the gradient of each pair on its own squared: a backward pass per '
 || 'pair, so fewer pairs'),
('ewc_online', 'contrastive+ewc', '{"ewc": {"weight": 0.3, "decay": 0.9, "fisher_pairs": 50000}}',
 'ewc that forgets its Fisher (arXiv 1805.06370), with the values of a study of infinite dSprites'),
('si', 'contrastive+si', '{"si": {"weight": 0.5, "xi": 1}}',
 'synaptic intelligence (arXiv 1703.04200), along the steps that the optimizer takes'),
('mas', 'contrastive+mas', '{"mas": {"weight": 0.1, "alpha": 0.5, "importance_pairs": 50000}}',
 'memory aware synapses (arXiv 1711.09601) of the batch''s similarities'),
('lwf', 'contrastive+lwf', '{"lwf": {"alpha": 0.5, "temperature": 2}}',
 'learning without forgetting (arXiv 1606.09282): the teacher is the start of the task, on its '
 || 'own pairs'),
('zscl', 'contrastive+zscl',
 '{"contrastive": {"learn_temperature": false}, "zscl": {"weight": 1, "temperature": 2, '
 || '"anchor_weight": 1}}',
 'distillation from the untouched backbone on pretraining pairs, and L2 to the task''s start '
 || '(arXiv 2303.06628); needs pretraining_share > 0'),
('zscl_star', 'contrastive+zscl',
 '{"contrastive": {"learn_temperature": false}, "zscl": {"weight": 1, "temperature": 2, '
 || '"anchor_weight": 0}}',
 'zscl without the L2: the starred variant of arXiv 2303.06628'),
('der', 'contrastive+der', '{"der": {"weight": 0.3, "buffer_pairs": 500}}',
 'dark experience replay (arXiv 2004.07211) of embeddings; keeps its own pairs, best with a '
 || 'mixture that has no buffer_share'),
('derpp', 'contrastive+derpp',
 '{"derpp": {"weight": 0.1, "contrastive_weight": 0.5, "buffer_pairs": 500}}',
 'der that also learns its kept pairs again (arXiv 2004.07211)'),
('gere', 'contrastive+gere', '{"gere": {"weight": 100, "width": 1, "general_pairs": 1000}}',
 'general samples replay with a margin on units (arXiv 2508.04676); needs pretraining_share > 0')
ON CONFLICT DO NOTHING;

-- P-RFCL (arXiv 2406.09384): one plain low-rank tuning, task after task, and what a penalty on
-- weights adds to it.
INSERT INTO method (name, tuning, tuning_params, objective, objective_params, note) VALUES
('lora_ewc', 'lora', '{"rank": 4, "alpha": 4}', 'contrastive+ewc',
 '{"ewc": {"weight": 1, "decay": 1, "fisher_pairs": 50000}}',
 'P-RFCL (arXiv 2406.09384): lora_r4 with ewc on the weights in use'),
('lora_si', 'lora', '{"rank": 4, "alpha": 4}', 'contrastive+si', '{"si": {"weight": 0.5, "xi": 1}}',
 'P-RFCL (arXiv 2406.09384): lora_r4 with si on the weights in use')
ON CONFLICT DO NOTHING;

-- Which parameters move, with the papers' defaults. Partial and low-rank tunings usually want 10 to
-- 100 times the learning rate of full fine-tuning (a recipe).
INSERT INTO method (name, tuning, tuning_params, note) VALUES
('bitfit', 'bitfit', '{}', 'only biases (arXiv 2106.10199)'),
('lnfit', 'lnfit', '{}', 'only layer norms (arXiv 2302.08106)'),
('linear_probe', 'linear_probe', '{}', 'only the projections into the common space: a floor'),
('dora_r4', 'dora', '{"rank": 4, "alpha": 4}',
 'low-rank updates and a scale per row (arXiv 2402.09353)'),
('dora_r64', 'dora', '{"rank": 64, "alpha": 64}', 'as dora_r4, the larger rank of FoMo-in-Flux'),
('vera', 'vera', '{"rank": 256, "start_d": 0.1, "start_b": 0}',
 'two vectors per weight on shared random matrices (arXiv 2310.11454)'),
('vera_fomo', 'vera', '{"rank": 256, "start_d": 0, "start_b": 0.1}',
 'vera, begun as in the code of FoMo-in-Flux'),
('vera_r4', 'vera', '{"rank": 4, "start_d": 0, "start_b": 0.1}',
 'vera_fomo at the lower of the ranks in the table of FoMo-in-Flux'),
('vera_r64', 'vera', '{"rank": 64, "start_d": 0, "start_b": 0.1}',
 'vera_fomo at the higher of the ranks in the table of FoMo-in-Flux'),
('galore', 'galore', '{"rank": 8, "gap": 200, "scale": 2}',
 'the optimizer works on projected gradients (arXiv 2403.03507)'),
('hft', 'hft', '{}', 'half of the matrices stay, another half in every task (arXiv 2404.18466)'),
('migu', 'migu', '{"quantile": 0.7}',
 'only the loudest 30 % of output units learn (arXiv 2406.17245)'),
('codyra', 'codyra', '{"rank": 16, "kappa": 0.005}',
 'low-rank updates whose gates close (arXiv 2412.01004)'),
('osf', 'osf', '{"frozen_share": 0.5}', 'only the small singular values move (arXiv 2504.07097)'),
('coso', 'coso', '{"rank": 50, "sketch_rank": 120, "gap": 20, "energy": 0.98}',
 'subspaces of the gradient, apart from those of earlier tasks (arXiv 2505.11816)'),
('peft_simple', 'lora', '{"rank": 4, "alpha": 4}',
 'one plain adapter after the other, the simple baseline of P-RFCL (arXiv 2406.09384)'),
('lora_accumulated', 'lora', '{"rank": 4, "alpha": 4, "merge_after_task": false}',
 'one adapter for the whole stream'),
('first_task_only', 'first_task_only', '{"rank": 4, "alpha": 4}',
 'adapt once, then stay: the control of P-RFCL (arXiv 2406.09384)')
ON CONFLICT DO NOTHING;

-- Parts of 2023 to 2026. Values are those of the papers' released configurations where one could be
-- read; weights and rates are to be tuned. None has results on the world yet.
INSERT INTO method (name, objective, objective_params, note) VALUES
('mod_x', 'contrastive+mod_x', '{"mod_x": {"weight": 20}}',
 'similarities within a batch stay where the start of the task was right (arXiv 2305.07437); its '
 || 'weight depends on batch_pairs'),
('mix_cpt', 'contrastive+mix_cpt', '{"mix_cpt": {"weight": 1}}',
 'distillation from the untouched backbone, its wrong answers swapped (arXiv 2407.10804)'),
('gift', 'contrastive+gift',
 '{"contrastive": {"learn_temperature": false}, "gift": {"weight": 1, "alignment": 0.25, '
 || '"consolidation": 1}}',
 'distillation, alignment and a Fisher of every step on pretraining pairs (arXiv 2503.04229), in '
 || 'place of synthetic ones; needs pretraining_share > 0'),
('gift_initial', 'contrastive+gift',
 '{"contrastive": {"learn_temperature": false}, "gift": {"weight": 1, "alignment": 0.25, '
 || '"consolidation": 1, "teacher": "initial"}}',
 'gift taught by the untouched backbone, as zscl is'),
('gift_plain', 'contrastive+gift',
 '{"contrastive": {"learn_temperature": false}, "gift": {"weight": 1, "alignment": 0.25, '
 || '"consolidation": 0}}',
 'gift without its consolidation: what the Fisher of every step adds'),
('mer', 'contrastive+mer', '{"mer": {"every": 100, "share": 0.1}}',
 'meta-experience replay by Reptile (arXiv 2508.01908); needs buffer_share > 0')
ON CONFLICT DO NOTHING;

INSERT INTO method (name, tuning, tuning_params, note) VALUES
('olora', 'olora', '{"rank": 8, "alpha": 8, "weight": 0.5}',
 'low-rank updates that read orthogonal inputs (arXiv 2310.14152)'),
('inflora', 'inflora', '{"rank": 10, "energy": 0.98}',
 'low-rank updates outside of the inputs of earlier tasks (arXiv 2404.00228)'),
('keeplora', 'keeplora',
 '{"rank": 16, "alpha": 16, "energy": 0.99, "weight_energy": 0.85, "text_weight_energy": 0.2}',
 'low-rank updates along the gradient, outside of principal directions (arXiv 2601.19659)'),
('nusa', 'nusa', '{"rank": 128, "energy": 0.95}',
 'updates between the smallest singular directions of each weight (arXiv 2510.21175)'),
('spu', 'spu', '{"share": 0.1}',
 'a tenth of the first matrix of each MLP, chosen by the gradient (arXiv 2308.12462); with a '
 || 'mixture that replays'),
('dns', 'dns', '{"input_min": 0.1, "output_min": 0}',
 'the two last projections, outside of what earlier pairs are compared by (arXiv 2503.14963)'),
('dns_step', 'dns', '{"input_min": 0.1, "output_min": 0, "project_step": true}',
 'dns whose whole steps lie outside, whatever the optimizer is')
ON CONFLICT DO NOTHING;

INSERT INTO method (name, tuning, tuning_params, objective, objective_params, note) VALUES
('gnsp', 'gnsp', '{"rho": 0.15}', 'contrastive+gift',
 '{"contrastive": {"learn_temperature": false}, "gift": {"weight": 1, "alignment": 0.75, '
 || '"consolidation": 0, "teacher": "initial"}}',
 'gradients in the null space of earlier inputs, distillation and alignment (arXiv 2507.19839); '
 || 'needs pretraining_share > 0'),
('gnsp_tuning', 'gnsp', '{"rho": 0.15}', 'contrastive', '{}',
 'the null space of gnsp alone, without its distillation'),
('gnsp_step', 'gnsp', '{"rho": 0.15, "project_step": true}', 'contrastive', '{}',
 'gnsp_tuning whose whole steps lie in the null space, whatever the optimizer is'),
('keeplora_gift', 'keeplora', '{"rank": 16, "alpha": 16}', 'contrastive+gift',
 '{"contrastive": {"learn_temperature": false}, "gift": {"weight": 1, "alignment": 0.25, '
 || '"consolidation": 0}}',
 'a protected low-rank tuning with a teacher: what each adds to the other')
ON CONFLICT DO NOTHING;

INSERT INTO method (name, objective, objective_params, note) VALUES
('uer', 'uer', '{}',
 'new pairs are learned by angles, replayed ones by angles and norms (arXiv 2309.04081); needs '
 || 'buffer_share > 0'),
('ckc', 'contrastive+c_clip', '{"c_clip": {"weight": 1, "temperature": 0.07}}',
 'the consolidation of c_clip alone, under full fine-tuning')
ON CONFLICT DO NOTHING;

INSERT INTO method (name, tuning, tuning_params, objective, objective_params, merging,
    merging_params, "start", deploy, note) VALUES
('c_clip', 'lora', '{"rank": 16, "alpha": 32, "targets": ["attn.in_proj_weight", '
 || '"attn.out_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"]}', 'contrastive+c_clip',
 '{"c_clip": {"weight": 1, "temperature": 0.07}}', 'interpolate',
 '{"weight": 0.5, "over": "running"}', 'merged', 'merged',
 'C-CLIP (ICLR 2025): low-rank updates, of which half is merged, and consolidation by contrast '
 || 'with the earlier model')
ON CONFLICT DO NOTHING;

-- Merging over time, of 2024 and 2025: every task begins at the backbone, and all of them are merged
-- (offline merging), or folded task after task in constant memory. Scales are the papers'; those
-- that they choose on held-out data are to be tuned.
INSERT INTO method (name, merging, merging_params, "start", deploy, note) VALUES
('tsv_m', 'tsv_m', '{"over": "all", "scale": 1}', 'initial', 'merged',
 'the largest singular directions of every task, turned apart (TSV-M, arXiv 2412.00081)'),
('iso_c', 'iso_c', '{"over": "all", "scale": 1}', 'initial', 'merged',
 'the sum of task vectors with an even spectrum (Iso-C, arXiv 2502.04959); the scale is to be '
 || 'tuned'),
('iso_c_ema', 'iso_c', '{"over": "running", "scale": 0.5}', 'merged', 'merged',
 'iso_c of the running merge and the task; half the sum, because the whole would double at every '
 || 'task'),
('iso_cts', 'iso_cts', '{"over": "all", "common": 0.8, "scale": 1}', 'initial', 'merged',
 'iso_c, a fifth of the directions being of single tasks (Iso-CTS, arXiv 2502.04959); the scale '
 || 'is to be tuned'),
('opcm', 'opcm', '{"over": "all", "alpha": 0.5}', 'initial', 'merged',
 'each task projected away from what is merged already, in constant memory (arXiv 2501.09522)'),
('opcm_last', 'opcm', '{"over": "all", "alpha": 0.5}', 'last', 'merged',
 'opcm of tasks that are learned one after the other'),
('wudi', 'wudi', '{"over": "all", "steps": 300, "lr": 1e-5}', 'initial', 'merged',
 'the sum of task vectors, moved until it disturbs no task''s directions (arXiv 2503.08099)'),
('emr_one', 'emr', '{"over": "all", "tasks": 1, "rescale": true}', 'initial', 'merged',
 'the largest moves of the elected sign, rescaled: EMR (arXiv 2405.17461) as one deployed model'),
('emr_consensus', 'emr', '{"over": "all", "tasks": 2, "rescale": true}', 'initial', 'merged',
 'emr_one where two tasks agree in sign')
ON CONFLICT DO NOTHING;

-- Several models that answer as one (deploy: ensemble). What an image costs at inference is in the
-- table statistic (inference_flops).
INSERT INTO method (name, merging, merging_params, "start", deploy, ensemble, ensemble_params,
    note) VALUES
('ensemble_mean', 'none', '{}', 'last', 'ensemble', 'mean', '{"members": "all"}',
 'the mean of the logits of every task''s model, trained one after the other (arXiv 1612.01474)'),
('ensemble_mean_zs', 'none', '{}', 'initial', 'ensemble', 'mean', '{"members": "all"}',
 'as ensemble_mean, every task from the backbone'),
('ensemble_ends', 'none', '{}', 'last', 'ensemble', 'mean', '{"members": "ends"}',
 'the mean of the logits of the untouched backbone and the last model: what wise_ft does to weights'),
('ensemble_maximum_zs', 'none', '{}', 'initial', 'ensemble', 'maximum', '{"members": "all"}',
 'every task from the backbone; whichever model is surest answers'),
('ensemble_line', 'none', '{}', 'last', 'ensemble', 'line', '{"members": "ends", "points": 3}',
 'the mean of logits along the line from the backbone to the last model (arXiv 2202.09826)'),
('lae', 'ema_step', '{"decay": 0.9999, "restart": false}', 'last', 'ensemble', 'maximum',
 '{"members": "merged"}',
 'LAE (arXiv 2303.10070) with both of its experts: the slow weights and the last, whichever is '
 || 'surer'),
('ensemble_nearest', 'none', '{}', 'initial', 'ensemble', 'nearest', '{"pairs": 1024}',
 'every task from the backbone; the model of the task whose images'' features are nearest (nearest '
 || 'mean, arXiv 1611.07725)'),
('ensemble_rls', 'none', '{}', 'initial', 'ensemble', 'rls',
 '{"pairs": 1024, "ridge": 1, "hidden": 2048}',
 'every task from the backbone; the model that recursive least squares on random features names, '
 || 'as RAIL (arXiv 2406.18868) does for classes')
ON CONFLICT DO NOTHING;

INSERT INTO method (name, tuning, tuning_params, merging, merging_params, "start", deploy, ensemble,
    ensemble_params, note) VALUES
('ddas_lora', 'lora', '{"rank": 64, "alpha": 64}', 'none', '{}', 'initial', 'ensemble', 'ddas',
 '{"pairs": 1024, "code": 100, "steps": 200, "lr": 0.003, "slack": 2}',
 'a low-rank expert for every task, chosen by autoencoders, or the untouched backbone: '
 || 'MoE-Adapters (arXiv 2403.11549) without what cannot be folded')
ON CONFLICT DO NOTHING;
