-- The embedded default: what does each method keep and gain when a tiny CLIP learns forty new
-- concepts in five tasks? One base, pretrained by an ordinary trial; six cells, three seeds each,
-- at an equal budget of 250 steps. How the hyperparameters were chosen: docs/demo.md.

INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, priority, study)
VALUES (
    'tiny', 'world_base', 'update_only', 'finetune', 'tiny_pretraining', 'steps_1200', 0, 10, 'base'
)
ON CONFLICT DO NOTHING;

-- The backbone of the study is whatever that trial deploys. The trials below wait for it.
INSERT INTO backbone (name, architecture, pretrained, note)
SELECT 'tiny_base', b.architecture, 'trial:' || t.id, 'tiny, pretrained on the procedural world'
FROM trial t JOIN backbone b ON b.name = t.backbone
WHERE (t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed)
    = ('tiny', 'world_base', 'update_only', 'finetune', 'tiny_pretraining', 'steps_1200', 0)
ON CONFLICT DO NOTHING;

INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT 'tiny_base', 'world', cell.mixture, cell.method, cell.recipe, 'steps_250', seeds.seed, 'demo'
FROM (VALUES
    ('update_only', 'finetune', 'tiny_lr_1e-3'),
    ('update_only', 'ema_merge', 'tiny_lr_5e-4'),
    ('replay_thirds', 'finetune', 'tiny_lr_2e-3'),
    ('replay_thirds', 'ema_merge', 'tiny_lr_2e-3'),
    ('replay_thirds', 'ft_merge', 'tiny_lr_2e-3'),
    ('replay_thirds', 'lora_r8', 'tiny_lr_8e-3')
) AS cell(mixture, method, recipe), (VALUES (1), (2), (3)) AS seeds(seed)
ON CONFLICT DO NOTHING;
