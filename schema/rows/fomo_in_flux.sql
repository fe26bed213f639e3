-- FoMo-in-Flux (arXiv 2408.14471) and its sequel on merging over time (arXiv 2412.06712): 63 datasets, suite, orders, pools, scales.
-- Sizes, licenses and prompts are those of the released code and its tables. Nothing is downloaded: `location` is where its download
-- script leaves a set, below the data folder. Classes are those of its info folder, in that order (its lists of CLEVR and MIT-States
-- have 30 and 3 more than its table), and a sequence's concepts those of its stream file: grids/import_stream.sql reads both in. Until
-- then a trial over them is refused.
-- train_pairs of retention sets: as published, and never trained on. Raw records of ai2diagrams, birdsnap and
-- dollarstreet have no caption but the prompt; those of their resized copies have ({"resized": 224} in the params of a row of yours).

-- Adaptation sets: 1,759,790 pairs to learn from, 18,392 classes. (The printed totals of the table differ from its rows.)
INSERT INTO dataset (name, format, location, params, kind, templates, license, year, train_pairs, test_pairs, note)
SELECT name, 'fomo', 'fomo_in_flux/' || folder,
       CASE name WHEN 'mtsd' THEN '{"test": "val"}' WHEN 'inaturalist2021' THEN '{"train": "train_mini", "test": "val"}'
                 ELSE '{}' END,
       CASE name WHEN 'fscoco' THEN 'retrieval' ELSE 'classification' END,
       json_array(template), license, year, train_pairs, test_pairs, 'adaptation; ' || classes || ' classes; ' || domain
FROM (VALUES
    ('ai2diagrams', 'AI2DIAGRAMS', 2720, 681, 15, 'A photo of a {}.', 'CC BY-SA', 2016, 'diagrams'),
    ('artbench10', 'ARTBENCH10', 47531, 11883, 1870, 'A painting of the artist {}.',
     'fair use', 2022, 'paintings; class = artist'),
    ('birdsnap', 'BIRDSNAP', 31905, 7977, 500, 'A photo of the bird {}.',
     'unspecified, academic use', 2014, 'fine-grained natural'),
    ('cifar100', 'CIFAR100', 50000, 10000, 100, 'A photo of a {}.', 'unspecified, academic use', 2009, 'natural'),
    ('clevr', 'CLEVR', 55931, 13983, 217, 'A photo of synthetic shapes, with {}.',
     'CC BY 4.0', 2017, 'synthetic; class = counts of objects'),
    ('clrs', 'CLRS', 13525, 1475, 25, 'A satellite image of a {}.', 'academic use', 2020, 'remote sensing'),
    ('country211', 'COUNTRY211', 31650, 21100, 211, 'A photo representing the country of {}.', 'various CC', 2021, 'natural'),
    ('cub200', 'CUB200', 5994, 5794, 200, 'A photo of a {}, a type of bird.',
     'custom, non-commercial', 2011, 'fine-grained natural'),
    ('df20mini', 'DF20MINI', 32724, 3637, 179, 'A photo of the fungi {}.',
     'custom, non-commercial', 2021, 'fine-grained natural'),
    ('dollarstreet', 'DOLLARSTREET', 13555, 4103, 1701, 'A photo of a {}.',
     'CC BY-SA 4.0', 2022, 'fine-grained natural; class = object and country'),
    ('domainnet_clipart', 'DOMAINNET_CLIPART', 33525, 14604, 345, 'A clipart of a {}.',
     'custom, non-commercial', 2019, 'illustrations'),
    ('domainnet_infograph', 'DOMAINNET_INFOGRAPH', 36023, 15582, 345, 'An infograph of a {}.',
     'custom, non-commercial', 2019, 'diagrams'),
    ('domainnet_painting', 'DOMAINNET_PAINTING', 50416, 21850, 344, 'A painting of a {}.',
     'custom, non-commercial', 2019, 'paintings'),
    ('domainnet_sketch', 'DOMAINNET_SKETCH', 48212, 20916, 345, 'A sketch of a {}.', 'custom, non-commercial', 2019, 'sketch'),
    ('dsprites', 'DSPRITES', 75000, 25000, 27, 'A black-and-white photo of a {}.',
     'Apache 2.0', 2017, 'synthetic, captions procedural; class = shape and place'),
    ('dtd', 'DTD', 1880, 1880, 47, 'A photo of a {} texture.', 'custom, non-commercial', 2014, 'textures'),
    ('fgvcaircraft', 'FGVCAircraft', 3334, 3333, 100, 'A photo of a {}, a type of aircraft.',
     'custom, non-commercial', 2013, 'fine-grained natural'),
    ('flowers102', 'FLOWERS102', 6149, 1020, 102, 'A photo of a {}, a type of flower.',
     'unspecified, academic use', 2008, 'fine-grained natural'),
    ('fru92', 'FRU92', 55814, 9200, 92, 'A photo of a {}, a type of fruit.', 'Apache 2.0', 2017, 'fine-grained natural'),
    ('inaturalist2021', 'iNATURALIST2021', 125000, 25000, 2500, 'A photo of a {}.',
     'custom, non-commercial', 2021, 'fine-grained natural; train-mini'),
    ('isicmelanoma', 'ISICMELANOMA', 2245, 562, 7, 'A close-up photo of human skin with a mole exhibiting {}.',
     'CC BY-NC', 2020, 'medical, captions from templates'),
    ('mitstates', 'MITSTATES', 43002, 10751, 1959, 'A photo of a {}.', 'unspecified, academic use', 2015, 'fine-grained natural'),
    ('mtsd', 'MTSD', 59978, 8737, 227, 'A centered photo of a "{}" traffic sign.', 'CC BY-NC-SA 4.0', 2020, 'traffic signs'),
    ('mvtecad_adapt', 'MVTECAD_Adapt', 2903, 726, 15, 'A close-up photo of a {}.', 'CC BY-NC-SA 4.0', 2019, 'industrial'),
    ('mvtecad_eval', 'MVTECAD_Eval', 1380, 345, 88, 'A close-up photo of a {}.',
     'CC BY-NC-SA 4.0', 2019, 'industrial; an adaptation set despite its name'),
    ('objectnet', 'OBJECTNET', 40134, 10000, 313, 'A photo of a {}.', 'CC BY 4.0', 2019, 'natural'),
    ('obsc_animals', 'OBSC_ANIMALS', 17000, 4238, 74, 'A photo of the obscure animal {}.',
     'MIT', 2024, 'generative, captions custom; images from text-to-image models'),
    ('obsc_things', 'OBSC_THINGS', 19128, 4758, 84, 'A photo of the obscure thing {}.',
     'MIT', 2024, 'generative, captions custom; images from text-to-image models'),
    ('openimages', 'OPENIMAGES', 115333, 8593, 589, 'A photo of a {}.', 'Apache 2.0', 2016, 'natural, captions available'),
    ('patternnet', 'PATTERNNET', 26600, 3800, 38, 'A satellite image of a {}.', 'custom, non-commercial', 2018, 'remote sensing'),
    ('places365', 'PLACES365', 120231, 36499, 365, 'A photo of a {}.', 'custom, non-commercial', 2017, 'natural'),
    ('plantvillage', 'PLANTVILLAGE', 43444, 10681, 38, 'A close-up photo of a {}.', 'CC0', 2015, 'fine-grained natural'),
    ('quilt', 'QUILT', 95862, 23966, 157, 'A histopathology photo depicting {} pathologies.',
     'academic use', 2023, 'medical, captions available; class = one or two pathologies'),
    ('resisc45', 'RESISC45', 18900, 6300, 45, 'A satellite image of {}.', 'unspecified, academic use', 2017, 'remote sensing'),
    ('shapes3d', 'SHAPES3D', 75000, 25000, 864, 'A photo of a synthetic {}.',
     'Apache 2.0', 2018, 'synthetic, captions procedural; class = colours and shape'),
    ('snake_clef', 'SNAKECLEF', 151031, 14117, 1599, 'A photo of a {} snake.',
     'custom, non-commercial', 2023, 'fine-grained natural'),
    ('sun397', 'SUN397', 15880, 19850, 397, 'A photo of a {}.', 'custom, non-commercial', 2010, 'natural'),
    ('synthclip106', 'SynthCLIP106', 84800, 13886, 106, 'A photo of a {}.', 'CC BY-NC 4.0', 2024, 'generative'),
    ('veg200', 'VEG200', 61117, 20000, 200, 'A photo of a {}, a type of vegetable.', 'Apache 2.0', 2017, 'fine-grained natural'),
    ('zappos50k', 'ZAPPOS50k', 37829, 9458, 1847, 'A photo of {} shoes.',
     'custom, non-commercial', 2014, 'fine-grained object; class = category and brand'),
    ('fscoco', 'FSCOCO', 7105, 1777, 115, 'A sketch of a {}', 'CC BY-NC 4.0', 2022, 'sketch, captions available')
) AS adaptation(name, folder, train_pairs, test_pairs, classes, template, license, year, domain)
ON CONFLICT DO NOTHING;

-- Retention sets: 314,419 pairs to measure on, 4,653 classes.
INSERT INTO dataset (name, format, location, kind, templates, license, year, train_pairs, test_pairs, note)
SELECT name, 'fomo', 'fomo_in_flux/' || folder, CASE WHEN template IS NULL THEN 'retrieval' ELSE 'classification' END,
       CASE WHEN template IS NULL THEN '[]' ELSE json_array(template) END, license, year, train_pairs, test_pairs,
       'retention; ' || classes || ' classes; ' || domain
FROM (VALUES
    ('caltech101', 'CALTECH101', 6026, 2651, 101, 'A photo of a {}.', 'CC BY 4.0', 2004, 'natural'),
    ('caltech256', 'CALTECH256', 21307, 9300, 257, 'A photo of a {}.', 'CC BY 4.0', 2007, 'natural'),
    ('cars196', 'CARS196', 8144, 8041, 196, 'A photo of a {}, a type of car.',
     'custom, non-commercial', 2013, 'fine-grained natural'),
    ('cifar10', 'CIFAR10', 50000, 10000, 10, 'A photo of a {}.', 'unspecified, academic use', 2009, 'natural low-res'),
    ('domainnet_quickdraw', 'DOMAINNET_QUICKDRAW', 60375, 25875, 345, 'A quickdraw of a {}.',
     'custom, non-commercial', 2019, 'sketch'),
    ('eurosat', 'EuroSAT', 18900, 8100, 10, 'A centered satellite photo of a {}.', 'MIT', NULL, 'remote sensing'),
    ('fashionmnist', 'FashionMNIST', 60000, 10000, 10, 'A black-and-white photo of a {}, a type of clothing.',
     'MIT', 2017, 'b&w low-res'),
    ('food101', 'Food101', 75750, 25250, 101, 'A photo of a {}, a type of food.',
     'unspecified, academic use', 2014, 'fine-grained natural'),
    ('gtsrb', 'GTSRB', 18635, 8005, 43, 'A centered photo of a "{}" traffic sign.', 'CC0', 2011, 'traffic signs'),
    ('imagenet', 'IMAGENET', 0, 50000, 1000, 'A photo of a {}.', 'custom, non-commercial', 2009, 'natural'),
    ('imagenet_a', 'IMAGENET_A', 0, 7500, 200, 'A photo of a {}.', 'MIT', 2019, 'adversarial'),
    ('imagenet_d', 'IMAGENET_D', 0, 4835, 103, 'A photo of a {}.', 'MIT', 2024, 'generative'),
    ('imagenet_r', 'IMAGENET_R', 0, 30000, 200, 'A photo of a {}.', 'MIT', 2020, 'renditions'),
    ('imagenet_s', 'IMAGENET_S', 0, 50889, 1000, 'A photo of a {}.', 'MIT', 2019, 'sketch'),
    ('imagenet_v2', 'IMAGENET_V2', 0, 10000, 1000, 'A photo of a {}.', 'MIT', 2019, 'natural'),
    ('mnist', 'MNIST', 60000, 10000, 10, 'A black-and-white photo of the number: "{}".', 'CC BY-SA 3.0', 1998, 'b&w low-res'),
    ('monkeys10', 'MONKEYS10', 1097, 272, 10, 'A photo of a {}, a type of monkey.', 'CC0', NULL, 'natural'),
    ('oxford_pets', 'OXFORDPETS', 3680, 3669, 37, 'A photo of a {}, a type of pet.', 'CC BY-SA 4.0', 2012, 'natural'),
    ('stl10', 'STL10', 5000, 8000, 10, 'A photo of a {}.', 'custom, non-commercial', 2011, 'natural low-res'),
    ('svhn', 'SVHN', 73257, 26032, 10, 'A photo of the number: "{}".', 'custom, non-commercial', 2011, 'natural low-res'),
    ('mscoco', 'MSCOCO', 0, 5000, 0, NULL, 'CC BY 4.0', 2014, 'natural'),
    ('flickr30k', 'FLICKR30K', 0, 1000, 0, NULL, 'CC0', 2014, 'natural')
) AS retention(name, folder, train_pairs, test_pairs, classes, template, license, year, domain)
ON CONFLICT DO NOTHING;

-- A_KA is the mean over the 41 adaptation sets, A_ZS over the 22 retention sets: every set once, retrieval by the mean of both
-- directions' recall at 5, everything else by top-1 accuracy among all classes of the set. Between the ends a tenth is measured, as
-- published (`during` answers for it; `point` for the ends).
INSERT INTO suite (name, subset, note) VALUES
('fomo_in_flux', 0.1, '41 adaptation sets, 22 retention sets (arXiv 2408.14471)')
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric)
SELECT 'fomo_in_flux', dataset, role, CASE WHEN dataset IN ('fscoco', 'mscoco', 'flickr30k') THEN 'r5' ELSE 'top1' END
FROM (
    SELECT 'adapt' AS role, unnest([
        'ai2diagrams', 'artbench10', 'birdsnap', 'cifar100', 'clevr', 'clrs', 'country211', 'cub200', 'df20mini',
        'dollarstreet', 'domainnet_clipart', 'domainnet_infograph', 'domainnet_painting', 'domainnet_sketch',
        'dsprites', 'dtd', 'fgvcaircraft', 'flowers102', 'fru92', 'inaturalist2021', 'isicmelanoma', 'mitstates',
        'mtsd', 'mvtecad_adapt', 'mvtecad_eval', 'objectnet', 'obsc_animals', 'obsc_things', 'openimages',
        'patternnet', 'places365', 'plantvillage', 'quilt', 'resisc45', 'shapes3d', 'snake_clef', 'sun397',
        'synthclip106', 'veg200', 'zappos50k', 'fscoco'
    ]) AS dataset
    UNION ALL
    SELECT 'retain', unnest([
        'caltech101', 'caltech256', 'cars196', 'cifar10', 'domainnet_quickdraw', 'eurosat', 'fashionmnist', 'food101',
        'gtsrb', 'imagenet', 'imagenet_a', 'imagenet_d', 'imagenet_r', 'imagenet_s', 'imagenet_v2', 'mnist',
        'monkeys10', 'oxford_pets', 'stl10', 'svhn', 'mscoco', 'flickr30k'
    ])
)
ON CONFLICT DO NOTHING;

-- The published orders of 18,381 concepts. `source` is the file of the released code that an order is read from.
INSERT INTO sequence (name, ordering, seed, source, note)
SELECT 'fomo_' || ordering || '_' || seed || suffix, ordering, seed,
       'stream_construction/' || stem || infix || '_' || seed || '.json', note
FROM (VALUES
    ('random', 'random_sequence', 5, 'shuffled'),
    ('similarity', 'similarity_sequence', 5, 'each concept near the one before'),
    ('performance', 'performance_sequence', 1, 'easy to hard'),
    ('frequency', 'frequency_sequence', 1, 'rare to frequent in pretraining captions'),
    ('time', 'time_incremental_rsagg', 5, 'by year of release, shuffled within a year'),
    ('dataset', 'time_incremental_dschunked', 5, 'dataset after dataset, by year of release')
) AS orders(ordering, stem, seeds, kind), range(1, seeds + 1) AS s(seed),
(VALUES ('', '', ''), ('_reverse', '_reverse', '; from end to start')) AS directions(suffix, infix, way),
LATERAL (SELECT kind || way AS note)
WHERE suffix = '' OR (seed = 1 AND ordering NOT IN ('time', 'dataset'))
ON CONFLICT DO NOTHING;

INSERT INTO sequence (name, ordering, seed, source, note) VALUES
('fomo_random_1_short', 'random', 1, 'stream_construction/random_sequence_1_short.json', 'the first 1,000 concepts of fomo_random_1')
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note)
SELECT sequence || '_t' || tasks, sequence, tasks, 'fomo_in_flux', note
FROM (
    SELECT 'fomo_random_' || seed AS sequence, unnest([20, 50, 100, 200]) AS tasks, 'many small or few large updates' AS note
    FROM range(1, 6) AS s(seed)
    UNION ALL
    SELECT 'fomo_' || ordering || '_' || seed, 20, 'the published number of tasks'
    FROM (SELECT unnest(['similarity', 'time', 'dataset']) AS ordering), range(1, 6) AS s(seed)
    UNION ALL
    SELECT 'fomo_' || unnest([
        'performance_1', 'frequency_1', 'random_1_reverse', 'similarity_1_reverse', 'performance_1_reverse', 'frequency_1_reverse',
        'random_1_short'
    ]), 20, 'the published number of tasks'
    UNION ALL
    SELECT 'fomo_random_1', 1, 'the oracle: everything at once'
)
ON CONFLICT DO NOTHING;

-- Pools of pretraining pairs for the mixtures; the comparison drew two million pairs of each, where it could get them.
INSERT INTO dataset (name, format, location, kind, train_pairs, note) VALUES
('laion400m', 'webdataset', 'laion400m/shards', 'captions', 2000000, 'the default pool; a subset of LAION-400M, which is no longer public'),
('datacomp_small', 'webdataset', 'datacomp_small/shards', 'captions', 1251473, 'what three of its parquet files gave in May 2024'),
('cc3m', 'webdataset', 'cc3m/shards', 'captions', 2000000, 'a subset of Conceptual Captions'),
('cc12m', 'webdataset', 'cc12m/shards', 'captions', 2000000, 'a subset of Conceptual 12M')
ON CONFLICT DO NOTHING;

INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, pretraining_dataset, note)
SELECT 'fomo_thirds_' || pool, 0.34, 0.33, 0.33, pool, 'the default of the comparison: 175 new, 168 earlier, 169 pretraining pairs of 512'
FROM (SELECT unnest(['laion400m', 'datacomp_small', 'cc3m', 'cc12m']) AS pool)
UNION ALL
SELECT 'fomo_oracle_' || pool, 0.67, 0, 0.33, pool, 'of the oracle, which has no earlier tasks'
FROM (SELECT unnest(['laion400m', 'datacomp_small', 'cc3m', 'cc12m']) AS pool)
ON CONFLICT DO NOTHING;

-- The published recipe, and its schedules over tasks.
INSERT INTO recipe (name, optimizer, lr, weight_decay, clip_norm, batch_pairs, precision, schedule, schedule_params, augmentation_params, note)
SELECT 'fomo_' || schedule, 'adamw', 1e-5, 0.2, 1, 512, 'fp16', schedule, params, '{"scale": [0.9, 1.0], "ratio": [0.75, 1.3333]}', 'as published, every task with a warm-up of a tenth'
FROM (VALUES
    ('cosine', '{"warmup": 0.1, "floor": 0.001}'),
    ('cosine_autoregressive', '{"warmup": 0.1, "floor": 0.001}'),
    ('cosine_dynamic', '{"warmup": 0.1, "floor": 0.001}'),
    ('rsqrt', '{"warmup": 0.1, "cooldown": 0.1, "floor": 0.001}'),
    ('rsqrt_autoregressive', '{"warmup": 0.1, "cooldown": 0.1, "floor": 0.001}'),
    ('rsqrt_continued', '{"warmup": 0.1, "cooldown": 0.1, "floor": 0.001}'),
    ('rsqrt_recovered', '{"warmup": 0.1, "cooldown": 0.1, "floor": 0.001}')
) AS schedules(schedule, params)
ON CONFLICT DO NOTHING;

-- The published recipe where the card is small or there are several: the same loss of the same 512 pairs, to rounding.
INSERT INTO recipe (name, optimizer, lr, weight_decay, clip_norm, batch_pairs, precision, schedule, schedule_params, augmentation_params,
                    compute_params, note)
SELECT 'fomo_cosine_' || how, optimizer, lr, weight_decay, clip_norm, batch_pairs, "precision", schedule, schedule_params,
       augmentation_params, params, said
FROM recipe, (VALUES
    ('chunks', '{"chunk_pairs": 64, "checkpointing": true}', 'the loss of 512 pairs, 64 at a time through the towers: a ViT-L on a small card'),
    ('4_gpus', '{"ranks": 4}', 'four processes share every batch of 512 pairs')
) AS computed(how, params, said)
WHERE name = 'fomo_cosine'
ON CONFLICT DO NOTHING;

INSERT INTO recipe (name, optimizer, optimizer_params, lr, weight_decay, clip_norm, batch_pairs, "precision", schedule, schedule_params,
                    augmentation_params, note)
SELECT 'fomo_cosine_8bit', 'adamw_8bit', optimizer_params, lr, weight_decay, clip_norm, batch_pairs, "precision", schedule, schedule_params,
       augmentation_params, 'fomo_cosine with the moments of AdamW in 8 bits (needs torchao)'
FROM recipe
WHERE name = 'fomo_cosine'
ON CONFLICT DO NOTHING;

-- Steps per task are round(total / (T * MAF of a step)): 1420 at T = 20 for full fine-tuning of ViT-B/16, and so every printed count.
INSERT INTO budget (name, unit, total, charging, costs, note) VALUES
('fomo', 'maf_gflops', 1.8e9, 'per_step', 'counted', 'that of the comparison, as it charged it: one-off phases at every step'),
('fomo_published', 'maf_gflops', 1.8e9, 'per_step', 'published', 'the same, from the costs that were published: the published counts of steps'),
('fomo_once', 'maf_gflops', 1.8e9, 'once', 'counted', 'the same total, one-off phases charged when they run: EWC keeps most of its steps'),
('fomo_gflops', 'gflops', 1.8e9, 'once', 'counted', 'the same total without the share of memory'),
('fomo_steps', 'steps', 28400, 'once', 'counted', 'what the total is for full fine-tuning of ViT-B/16 at 512 pairs a step')
ON CONFLICT DO NOTHING;

INSERT INTO backbone (name, architecture, pretrained, pretrained_with, note)
SELECT name, architecture, pretrained, '{"optimizer": "adamw", "loss": "softmax"}', note FROM (VALUES
('vit_s16_datacomp', 'ViT-S-16', 'ViT-S-16_datacomp1b_lr0.001_b1_0.9_b2_0.95_wd0.2_warm4000_bs90k_constcooldown_s12.8B_inet66.2.pt',
 'openclip_vit_s16: a checkpoint of mehdidc, to be downloaded by hand; no tag of open_clip'),
('vit_b32_laion2b', 'ViT-B-32', 'laion2b_s34b_b79k', 'openclip_vit_b32: the published zero-shot scores are of this one'),
('vit_b16_laion2b', 'ViT-B-16', 'laion2b_s34b_b88k', 'openclip_vit_b16: the published compute is of this one'),
('vit_l14_laion2b', 'ViT-L-14', 'laion2b_s32b_b82k', 'openclip_vit_l14'),
('vit_h14_laion2b', 'ViT-H-14', 'laion2b_s32b_b79k', 'openclip_vit_h14'),
('vit_g14_laion2b', 'ViT-g-14', 'laion2b_s34b_b88k', 'openclip_vit_g14'),
('vit_bigg14_laion2b', 'ViT-bigG-14', 'laion2b_s39b_b160k', 'openclip_vit_G14'),
('rn50_openai', 'RN50-quickgelu', 'openai', 'clip_rn50'),
('vit_b32_openai', 'ViT-B-32-quickgelu', 'openai', 'clip_vit_b32'),
('vit_b16_openai', 'ViT-B-16-quickgelu', 'openai', 'the CLIP of MTIL'),
('vit_l14_openai', 'ViT-L-14-quickgelu', 'openai', 'clip_vit_l14')
) AS rows(name, architecture, pretrained, note)
ON CONFLICT DO NOTHING;
