-- A real stream: what does a small CLIP keep of the emoji up to 2015 when it learns those admitted later, year by year?
-- The pictures are drawn by grids/emoji, which also writes the rows of the datasets (docs/emoji.md has the commands).

INSERT INTO backbone (name, architecture, note) VALUES
('small_48px', '{
    "embed_dim": 64,
    "vision_cfg": {"image_size": 48, "patch_size": 12, "width": 128, "layers": 3, "head_width": 32, "pool_type": "avg"},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 2}
}', 'a small CLIP for pictures of 48 pixels, with open_clip''s own tokenizer')
ON CONFLICT DO NOTHING;

-- The base learns everything up to 2015 at once; the stream then has a task for each later year.
INSERT INTO sequence (name, ordering, source, note) VALUES
('emoji_base', 'time', 'grids/emoji/emoji.sql', 'emoji up to 2015'),
('emoji_years', 'time', 'grids/emoji/emoji.sql', 'emoji by the year that they were admitted')
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT 'emoji_base', 1, name, '*' FROM dataset WHERE name = 'emoji_2015'
UNION ALL
SELECT 'emoji_years', row_number() OVER (ORDER BY year), name, '*' FROM dataset WHERE name LIKE 'emoji\_20%' ESCAPE '\' AND year > 2015
ON CONFLICT DO NOTHING;

INSERT INTO suite (name, note) VALUES ('emoji', 'retention on the emoji up to 2015, accumulation on those of each later year')
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric)
SELECT 'emoji', name, CASE WHEN year <= 2015 THEN 'retain' ELSE 'adapt' END, 'top1'
FROM dataset WHERE name LIKE 'emoji\_20%' ESCAPE '\'
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note)
SELECT 'emoji_base', 'emoji_base', 1, 'emoji', 'pretraining of the base'
UNION ALL
SELECT 'emoji', 'emoji_years', count(*), 'emoji', 'a task for each year after 2015' FROM sequence_concept WHERE sequence = 'emoji_years'
ON CONFLICT DO NOTHING;

INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, pretraining_dataset, note) VALUES
('emoji_thirds', 0.34, 0.33, 0.33, 'emoji_2015', 'a third each: this year, the years before, the emoji up to 2015')
ON CONFLICT DO NOTHING;

INSERT INTO recipe (name, optimizer, optimizer_params, lr, weight_decay, clip_norm, batch_pairs, schedule, schedule_params, note) VALUES
('emoji_pretraining', 'adamw', '{"betas": [0.9, 0.98]}', 2e-3, 0.1, 1, 128, 'cosine', '{"warmup": 0.1}', 'small_48px from random weights'),
('emoji_update', 'adamw', '{"betas": [0.9, 0.98]}', 5e-4, 0.1, 1, 128, 'cosine', '{"warmup": 0.1}', 'small_48px, year by year')
ON CONFLICT DO NOTHING;

INSERT INTO budget (name, unit, total, note) VALUES
('emoji_base', 'steps', 1000, 'pretraining of the base'),
('emoji_years', 'steps', 180, '18 steps a year')
ON CONFLICT DO NOTHING;

INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, priority, study)
VALUES ('small_48px', 'emoji_base', 'update_only', 'finetune', 'emoji_pretraining', 'emoji_base', 0, 10, 'emoji_base')
ON CONFLICT DO NOTHING;

-- The backbone of the study is whatever that trial deploys. The trials below wait for it.
INSERT INTO backbone (name, architecture, pretrained, note)
SELECT 'emoji_base', backbone.architecture, 'trial:' || trial.id, 'small_48px, pretrained on the emoji up to 2015'
FROM trial JOIN backbone ON backbone.name = trial.backbone
WHERE trial.study = 'emoji_base'
ON CONFLICT DO NOTHING;

INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT 'emoji_base', 'emoji', choice.mixture, choice.method, 'emoji_update', 'emoji_years', seeds.seed, 'emoji'
FROM (VALUES
    ('update_only', 'finetune'),
    ('update_only', 'ema_merge'),
    ('emoji_thirds', 'finetune'),
    ('emoji_thirds', 'ema_merge')
) AS choice(mixture, method), (VALUES (1), (2), (3)) AS seeds(seed)
ON CONFLICT DO NOTHING;
