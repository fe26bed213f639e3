-- The procedural world: what a tiny CLIP is pretrained on, what it is later taught, and what it must not forget.
-- Everything is drawn from a seed on first use, so these rows need no download. The classes of a set are written out, because a
-- class is its name: another list is another dataset. Names end where a meaning ends: change a row by inserting another.

INSERT INTO backbone (name, architecture, note) VALUES ('tiny', '{
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 96, "layers": 3, "head_width": 32, "pool_type": "avg"},
    "text_cfg": {"context_length": 17, "width": 64, "heads": 2, "layers": 2},
    "position_std": 0.5,
    "words": [
        "a", "an", "arrow", "at", "ba", "bar", "be", "bi", "blue", "bo", "bottom", "brown", "center", "checkered",
        "circle", "cross", "cyan", "da", "dark", "de", "di", "do", "dotted", "drop", "fa", "fe", "fi", "flower", "fo",
        "four", "ga", "ge", "gi", "go", "green", "grey", "heart", "image", "is", "ka", "ke", "ki", "ko", "la",
        "large", "le", "left", "li", "lo", "ma", "me", "medium", "mi", "mo", "moon", "na", "ne", "ni", "no", "of",
        "on", "one", "orange", "oval", "pale", "pek", "photo", "picture", "pim", "pink", "pon", "pul", "purple",
        "red", "rek", "right", "rim", "ringed", "ron", "rul", "sek", "shape", "sim", "small", "solid", "son",
        "square", "star", "striped", "sul", "tek", "the", "there", "this", "three", "tim", "ton", "top", "triangle",
        "tul", "two", "vek", "vim", "von", "vul", "wek", "white", "wim", "won", "wul", "xek", "xim", "xon", "xul",
        "yellow", "zek", "zim", "zon", "zul"
    ]
}', 'half a million weights, word-level text; learns the world on one CPU thread in minutes') ON CONFLICT DO NOTHING;

-- What the base is pretrained on, and the pretraining pool of the mixtures.
INSERT INTO dataset (name, format, params, kind, classes, templates, license, train_pairs, test_pairs, note) VALUES
('base', 'world', '{"set": "base", "train": 30000, "test": 200, "names": [
        "go pon", "do sim", "di wul", "na vul", "no vim", "bi xon", "la vek", "bi rul", "me rim", "le tim", "ma sek",
        "go wek", "mo tek", "li pek", "na rul", "go zon", "mo pul", "li son", "me tek", "go xul"
    ]}', 'captions', '["everything"]', '[]', 'CC0', 30000, 200, 'shapes, colours, textures, sizes, places, counts, 20 made-up names')
ON CONFLICT DO NOTHING;

INSERT INTO dataset (name, format, params, kind, classes, templates, license, test_pairs, note)
SELECT 'scenes', format, params, 'retrieval', classes, templates, license, test_pairs, 'image-text retrieval among scenes of the base'
FROM dataset WHERE name = 'base'
ON CONFLICT DO NOTHING;

-- Retention: what the base teaches, asked one factor at a time. Never trained on.
INSERT INTO dataset (name, format, params, kind, classes, templates, license, test_pairs, note) VALUES
('shape', 'world', '{"set": "shape", "test": 192}', 'classification', '[
        "circle", "oval", "square", "triangle", "star", "cross", "bar", "flower", "moon", "heart", "drop", "arrow"
    ]', '["a photo of a {}", "an image of a {}"]', 'CC0', 192, 'known shapes'),
('texture', 'world', '{"set": "texture", "test": 200}', 'classification',
    '["solid", "striped", "dotted", "checkered", "ringed"]', '["a {} shape", "a photo of a {} shape"]', 'CC0', 200, 'textures'),
('position', 'world', '{"set": "position", "test": 198}', 'classification', '[
        "top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right"
    ]', '["a shape at the {}", "a photo of a shape at the {}"]', 'CC0', 198, 'places'),
('compose', 'world', '{"set": "compose", "test": 198}', 'classification', '[
        "red cross", "red heart", "green square", "green flower", "green arrow", "blue circle", "blue moon",
        "yellow star", "orange oval", "orange cross", "purple oval", "purple cross", "pink flower", "brown bar",
        "brown arrow", "cyan star", "cyan flower", "cyan drop"
    ]', '["a photo of a {}", "an image of a {}"]', 'CC0', 198, 'colour-shape pairs that the base never shows'),
('names', 'world', '{"set": "names", "test": 200}', 'classification', '[
        "go pon", "do sim", "di wul", "na vul", "no vim", "bi xon", "la vek", "bi rul", "me rim", "le tim", "ma sek",
        "go wek", "mo tek", "li pek", "na rul", "go zon", "mo pul", "li son", "me tek", "go xul"
    ]', '["a photo of a {}", "an image of a {}"]', 'CC0', 200, 'the made-up names of the base')
ON CONFLICT DO NOTHING;

INSERT INTO dataset (name, format, params, kind, classes, templates, license, test_pairs, note)
SELECT 'shape_' || shift, format, json_merge_patch(params, json_object('shift', shift)), kind, classes, templates, license, test_pairs,
       'known shapes under a shift that the base never shows: ' || shift
FROM dataset, (SELECT unnest(['noise', 'faded', 'blurred', 'low_contrast']) AS shift)
WHERE name = 'shape'
ON CONFLICT DO NOTHING;

-- Adaptation: what is new. The made-up names are unknown to the base (chance is 12.5 %); the shapes in haze it half knows.
INSERT INTO dataset (name, format, params, kind, classes, templates, license, train_pairs, test_pairs, note)
SELECT name, 'world', json_object('set', name, 'shift', shift, 'train', 1200, 'test', 160), 'classification', classes,
       '["a photo of a {}", "an image of a {}"]', 'CC0', 1200, 160, note
FROM (VALUES
    ('blobs', 'plain', '[
        "la vim", "be pul", "ma tim", "de rul", "ke pim", "ke pek", "le rim", "ga vek"
    ]', 'smooth random shapes with made-up names'),
    ('crystals', 'plain', '[
        "go rul", "fo zek", "la vul", "gi rek", "ni zim", "mo wim", "la tek", "ge xon"
    ]', 'straight-edged random shapes with made-up names'),
    ('weaves', 'plain', '[
        "bi xek", "ne rim", "ni rul", "bo sim", "go tim", "ma pek", "ki tim", "bo rek"
    ]', 'textures with made-up names'),
    ('duos', 'plain', '[
        "lo tul", "ma wek", "li vek", "ge zon", "do rim", "la von", "ni rek", "be vim"
    ]', 'pairs of colours, core and rim, with made-up names'),
    ('haze', 'haze', '["circle", "oval", "square", "triangle", "star", "cross", "bar", "flower"]',
     'known shapes in grey noise')
) AS adaptation(name, shift, classes, note)
ON CONFLICT DO NOTHING;

INSERT INTO sequence (name, ordering, seed, source, note) VALUES
('world_base', 'random', 0, 'schema/rows/world.sql', 'everything at once'),
('world_random', 'random', 1, 'schema/rows/world.sql', 'the 40 concepts of the adaptation sets, shuffled')
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept) VALUES ('world_base', 1, 'base', 'everything')
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT 'world_random', row_number() OVER (ORDER BY md5(s.seed || '/' || dataset || '/' || concept)), dataset, concept
FROM (
    SELECT name AS dataset, unnest(from_json(classes, '["VARCHAR"]')) AS concept
    FROM dataset WHERE name IN ('blobs', 'crystals', 'weaves', 'duos', 'haze')
), sequence s
WHERE s.name = 'world_random'
ON CONFLICT DO NOTHING;

INSERT INTO suite (name, note) VALUES
('world', 'five adaptation sets, ten retention sets'),
('world_validation', 'the same sets on other images: hyperparameters are chosen here, and never on the suite world')
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric) VALUES
('world', 'blobs', 'adapt', 'top1'), ('world', 'crystals', 'adapt', 'top1'), ('world', 'weaves', 'adapt', 'top1'),
('world', 'duos', 'adapt', 'top1'), ('world', 'haze', 'adapt', 'top1'),
('world', 'shape', 'retain', 'top1'), ('world', 'texture', 'retain', 'top1'), ('world', 'position', 'retain', 'top1'),
('world', 'compose', 'retain', 'top1'), ('world', 'names', 'retain', 'top1'), ('world', 'shape_noise', 'retain', 'top1'),
('world', 'shape_faded', 'retain', 'top1'), ('world', 'shape_blurred', 'retain', 'top1'),
('world', 'shape_low_contrast', 'retain', 'top1'), ('world', 'scenes', 'retain', 'r5')
ON CONFLICT DO NOTHING;

INSERT INTO dataset (name, format, params, kind, classes, templates, license, test_pairs, note)
SELECT name || '_validation', format, json_merge_patch(params, '{"held": "validation"}'), kind, classes, templates, license, test_pairs,
       note || '; other images'
FROM dataset
WHERE name IN (SELECT dataset FROM suite_member WHERE suite = 'world')
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric)
SELECT 'world_validation', dataset || '_validation', role, metric FROM suite_member WHERE suite = 'world'
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, validation, note) VALUES
('world_base', 'world_base', 1, 'world', NULL, 'pretraining of a base: everything in one task'),
('world', 'world_random', 5, 'world', 'world_validation', '40 new concepts in five tasks of eight'),
('world_validation', 'world_random', 5, 'world_validation', NULL,
 'as world, but measured on other images: to choose hyperparameters on')
ON CONFLICT DO NOTHING;

-- Probes: what a few images a class could teach, and whether an image index made by the untouched backbone can stay.
INSERT INTO suite (name, note) VALUES ('world_probed', 'the suite world, few-shot probes of its adaptation sets, and an index of its scenes')
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric)
SELECT 'world_probed', dataset, role, metric FROM suite_member WHERE suite = 'world'
UNION ALL
SELECT 'world_probed', dataset, 'probe', unnest(['fewshot4_top1', 'fewshot16_top1']) FROM suite_member WHERE suite = 'world' AND role = 'adapt'
UNION ALL
SELECT 'world_probed', 'scenes', 'probe', unnest(['index_r5', 'index_shifted_r5', 'text_to_image_r5'])
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note) VALUES
('world_probed', 'world_random', 5, 'world_probed', 'as world, with probes beside what counts')
ON CONFLICT DO NOTHING;

-- What lies between what two tasks in a row deploy (the question `connectivity`).
INSERT INTO suite (name, note) VALUES ('world_connected', 'the suite world, and the same between what two tasks in a row deploy')
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric)
SELECT 'world_connected', dataset, role, metric FROM suite_member WHERE suite = 'world'
UNION ALL
SELECT 'world_connected', dataset, 'probe', unnest(['between25_', 'between50_', 'between75_']) || metric FROM suite_member WHERE suite = 'world'
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note) VALUES
('world_connected', 'world_random', 5, 'world_connected', 'as world, and what lies between what two tasks in a row deploy')
ON CONFLICT DO NOTHING;

INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, pretraining_dataset, note) VALUES
('update_only', 1, 0, 0, NULL, 'only what is new'),
('buffer_half', 0.5, 0.5, 0, NULL, 'half of it from earlier tasks'),
('pretraining_half', 0.5, 0, 0.5, 'base', 'half of it from the pretraining pool'),
('replay_thirds', 0.34, 0.33, 0.33, 'base', 'a third each: new, earlier tasks, pretraining pool; as in FoMo-in-Flux')
ON CONFLICT DO NOTHING;

INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, pretraining_dataset, selection, selection_params, note) VALUES
('thirds_learnability', 0.34, 0.33, 0.33, 'base', 'learnability', '{"filter_ratio": 0.5}', 'replay_thirds, the better half of each draw'),
('thirds_easy', 0.34, 0.33, 0.33, 'base', 'easy_reference', '{"filter_ratio": 0.5}', 'replay_thirds, the easier half of each draw')
ON CONFLICT DO NOTHING;

-- Shares that move within a task, by its quarters; their means are those of the mixtures above.
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, mixing, mixing_params, note) VALUES
('buffer_late', 0.5, 0.5, 0, 'listed',
 '{"segments": [{"update": 0.8, "buffer": 0.2, "pretraining": 0}, {"update": 0.6, "buffer": 0.4, "pretraining": 0}, '
 || '{"update": 0.4, "buffer": 0.6, "pretraining": 0}, {"update": 0.2, "buffer": 0.8, "pretraining": 0}]}',
 'buffer_half, from mostly new to mostly earlier pairs'),
('buffer_early', 0.5, 0.5, 0, 'listed',
 '{"segments": [{"update": 0.2, "buffer": 0.8, "pretraining": 0}, {"update": 0.4, "buffer": 0.6, "pretraining": 0}, '
 || '{"update": 0.6, "buffer": 0.4, "pretraining": 0}, {"update": 0.8, "buffer": 0.2, "pretraining": 0}]}',
 'buffer_half, from mostly earlier to mostly new pairs')
ON CONFLICT DO NOTHING;

-- Shares that a bandit says, and the same thirds without it on the same pairs: both hold out a tenth of them.
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, pretraining_dataset, mixing, mixing_params, held_out_share,
    note) VALUES
('thirds_bandit', 0.34, 0.33, 0.33, 'base', 'bandit', '{"segments": 8, "exploration": 0.25, "rate": 10.0}', 0.1,
 'replay_thirds first, then more of the source whose held-out pairs are still hard (Exp3 as in ODM, arXiv 2312.02406)'),
('thirds_held_out', 0.34, 0.33, 0.33, 'base', NULL, '{}', 0.1, 'replay_thirds on the pairs that thirds_bandit learns from')
ON CONFLICT DO NOTHING;

-- Where storage is bounded: thirds whose buffer holds 200 of up to 4,800 earlier pairs.
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, pretraining_dataset, buffer_pairs, buffer_policy, note) VALUES
('thirds_reservoir_200', 0.34, 0.33, 0.33, 'base', 200, 'reservoir',
 'every pair ever seen has the same chance to be kept (algorithm R; in replay, arXiv 1902.10486)'),
('thirds_balanced_200', 0.34, 0.33, 0.33, 'base', 200, 'class_balanced', 'as many pairs of each concept (GDumb, ECCV 2020)'),
('thirds_equal_200', 0.34, 0.33, 0.33, 'base', 200, 'equal', 'the same share for every earlier task (Cumulative-Equal of arXiv 2310.16226)'),
('thirds_exponential_200', 0.34, 0.33, 0.33, 'base', 200, 'exponential',
 'the share of a task is half that of the task after it (Cumulative-Exp of arXiv 2310.16226)')
ON CONFLICT DO NOTHING;

-- A buffer of distilled pairs. The folder is the one thing here that is not drawn from a seed: whoever distils puts it there
-- (docs/datasets.md), a folder for each of the 40 concepts.
INSERT INTO dataset (name, format, location, params, kind, classes, templates, note)
SELECT 'world_distilled', 'imagefolder', 'world_distilled', '{"image_px": 32}', 'classification',
       to_json(list(concept ORDER BY position)), '["a photo of a {}"]', 'distilled pairs of the stream world, to be put there'
FROM sequence_concept WHERE sequence = 'world_random'
ON CONFLICT DO NOTHING;

INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, pretraining_dataset, buffer_dataset, note) VALUES
('thirds_distilled', 0.34, 0.33, 0.33, 'base', 'world_distilled',
 'replay_thirds, whose buffer holds distilled pairs in place of earlier ones (as of DataDAM, arXiv 2310.00093)')
ON CONFLICT DO NOTHING;

INSERT INTO recipe (name, optimizer, optimizer_params, lr, weight_decay, clip_norm, batch_pairs, schedule, schedule_params, note) VALUES
('tiny_pretraining', 'muon', '{"betas": [0.9, 0.98]}', 4e-3, 0.05, 1, 128, 'cosine', '{"warmup": 0.05}', 'tiny from random weights')
ON CONFLICT DO NOTHING;

INSERT INTO recipe (name, optimizer, optimizer_params, lr, weight_decay, clip_norm, batch_pairs, schedule, schedule_params, note)
SELECT 'tiny_lr_' || lr, 'adamw', '{"betas": [0.9, 0.98]}', lr::DOUBLE, 0.05, 1, 128, 'cosine', '{"warmup": 0.1}', 'tiny, task by task'
FROM (SELECT unnest(['5e-4', '1e-3', '2e-3', '4e-3', '8e-3']) AS lr)
ON CONFLICT DO NOTHING;

-- What else a recipe can say: schedules over tasks, no re-warming, an optimizer that remembers. All at the rate of the replay cells.
INSERT INTO recipe (name, optimizer, optimizer_params, lr, weight_decay, clip_norm, batch_pairs, schedule, schedule_params, note)
SELECT 'tiny_' || name, 'adamw', json_merge_patch('{"betas": [0.9, 0.98]}', optimizer_params), 2e-3, 0.05, 1, 128, schedule, params, note
FROM (VALUES
    ('constant', '{}', 'constant', '{"warmup": 0.1}', 'no decay'),
    ('wsd', '{}', 'wsd', '{"cooldown": 0.2}', 'warm-up, stable, decay'),
    ('rsqrt', '{}', 'rsqrt', '{}', 'reciprocal square root with a cooldown'),
    ('cosine_autoregressive', '{}', 'cosine_autoregressive', '{}', 'the peak falls from task to task along a cosine'),
    ('cosine_dynamic', '{}', 'cosine_dynamic', '{}', 'the tail of one cosine over all tasks so far'),
    ('rsqrt_autoregressive', '{}', 'rsqrt_autoregressive', '{}', 'the peak falls along a square root over all tasks so far'),
    ('rsqrt_continued', '{}', 'rsqrt_continued', '{}', 'the peak is where the decay of the task before would be'),
    ('rsqrt_recovered', '{}', 'rsqrt_recovered', '{}', 'one decay over all tasks, with warm-ups and cooldowns cut in'),
    ('infinite', '{}', 'infinite', '{}', 'one level for all tasks, each with a cooldown at its end (arXiv 2503.02844); with method infinite'),
    ('no_rewarming', '{}', 'cosine', '{"rewarm": false}', 'only the first task has a warm-up'),
    ('carried_on', '{"carry": true}', 'cosine', '{}', 'the optimizer goes on with what it remembers')
) AS recipes(name, optimizer_params, schedule, params, note)
ON CONFLICT DO NOTHING;

INSERT INTO budget (name, unit, total, note) VALUES
('steps_1200', 'steps', 1200, 'pretraining of tiny'),
('steps_100', 'steps', 100, 'the stream world: 20 steps a task, for a first look at many methods'),
('steps_250', 'steps', 250, 'the stream world: 50 steps a task'),
('steps_400', 'steps', 400, 'the stream world: 80 steps a task')
ON CONFLICT DO NOTHING;

INSERT INTO recipe (name, optimizer, optimizer_params, lr, weight_decay, clip_norm, batch_pairs, schedule, schedule_params, note) VALUES
('tiny_schedule_free', 'adamw_schedule_free', '{"betas": [0.9, 0.98]}', 2e-3, 0.05, 1, 128, 'constant', '{"warmup": 0.1}',
 'an average over the steps in place of a decay (arXiv 2405.15682)')
ON CONFLICT DO NOTHING;

INSERT INTO recipe (name, optimizer, optimizer_params, lr, weight_decay, clip_norm, batch_pairs, schedule, schedule_params, note) VALUES
('tiny_soap', 'soap', '{}', 2e-3, 0.05, 1, 128, 'cosine', '{"warmup": 0.1}',
 'Adam in the eigenbases of Shampoo (SOAP, arXiv 2409.11321)')
ON CONFLICT DO NOTHING;

-- The default at other widths and depths, for a study of what size forgets (Wide Neural Networks Forget Less Catastrophically,
-- arXiv 2110.11526; Architecture Matters in Continual Learning, arXiv 2202.00275). The towers grow, the common space does not;
-- heads are of one width. Each is trained as a base by an ordinary trial.
INSERT INTO backbone (name, architecture, note)
SELECT 'tiny_' || size, json_merge_patch(architecture, changed), 'tiny with ' || about
FROM backbone, (VALUES
    ('w2', '{"vision_cfg": {"width": 192}, "text_cfg": {"width": 128, "heads": 4}}', 'towers twice as wide'),
    ('w4', '{"vision_cfg": {"width": 384}, "text_cfg": {"width": 256, "heads": 8}}', 'towers four times as wide'),
    ('d2', '{"vision_cfg": {"layers": 6}, "text_cfg": {"layers": 4}}', 'towers twice as deep'),
    ('d4', '{"vision_cfg": {"layers": 12}, "text_cfg": {"layers": 8}}', 'towers four times as deep')
) AS sizes(size, changed, about)
WHERE backbone.name = 'tiny'
ON CONFLICT DO NOTHING;

-- The same text tower beside a convolutional image tower of as many weights, and beside one of convolutions and attention; both
-- of timm.
INSERT INTO backbone (name, architecture, note)
SELECT 'tiny_' || kind, json_merge_patch(architecture, json_object('position_std', NULL, 'vision_cfg', json_object(
           'patch_size', NULL, 'width', NULL, 'layers', NULL, 'head_width', NULL, 'pool_type', NULL,
           'timm_model_name', tower, 'timm_pool', 'avg', 'timm_proj', 'linear'))),
       about
FROM backbone, (VALUES
    ('conv', 'test_convnext2', 'tiny with a ConvNeXt of as many weights as its image tower'),
    ('hybrid', 'mobilevitv2_050', 'tiny with a MobileViT v2, three times its image tower; has statistics of a batch')
) AS towers(kind, tower, about)
WHERE backbone.name = 'tiny'
ON CONFLICT DO NOTHING;
