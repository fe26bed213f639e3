-- TiC-CLIP (arXiv 2310.16226): pairs in the order of the time they are from; one concept a time
-- step, everything of its window. Its recipes for a step are sentences here: Sequential is finetune
-- with update_only, Restart is restart, Patching is patching, Cumulative-* take earlier pairs by
-- the mixture (the set of -All grows, a mixture's shares do not: tic_cumulative is the nearest;
-- -Equal and -Exp are tic_equal_* and tic_exponential_*), Oracle is a stream of one task.

-- A window of time is one dataset: its pairs are learned from, and recall is measured among its
-- held-out pairs (1 % of YFCC and RedCaps; TiC-DataComp-Retrieval, the same at every scale). Shards
-- lie below tic/ in the data folder, one folder a window.
INSERT INTO dataset (name, format, location, params, kind, train_pairs, note)
SELECT source || '_' || first, 'webdataset', 'tic',
       json_object('train', source || '/' || first, 'test', held_out || '_retrieval/' || first),
           'retrieval', NULL,
       'pairs of ' || CASE WHEN first = last THEN first::VARCHAR ELSE first || ' to ' || last END
           || '; ' || about
FROM (VALUES
    ('tic_yfcc', 'tic_yfcc', [2004, 2009, 2011, 2013], [2008, 2010, 2012, 2014], 'of YFCC15M'),
    ('tic_redcaps', 'tic_redcaps', [2017, 2018, 2019, 2020], [2017, 2018, 2019, 2020],
     'of RedCaps'),
    ('tic_datacomp_medium', 'tic_datacomp', [2014, 2017, 2018, 2019, 2020, 2021, 2022], [2016, 2017,
     2018, 2019, 2020, 2021, 2022],
     'CommonPool medium'),
    ('tic_datacomp_large', 'tic_datacomp', [2014, 2017, 2018, 2019, 2020, 2021, 2022], [2016, 2017,
     2018, 2019, 2020, 2021, 2022],
     'CommonPool large'),
    ('tic_datacomp_xlarge', 'tic_datacomp', [2014, 2017, 2018, 2019, 2020, 2021, 2022], [2016, 2017,
     2018, 2019, 2020, 2021, 2022],
     'CommonPool xlarge')
) AS sources(source, held_out, firsts, lasts, about), LATERAL (SELECT unnest(firsts) AS first,
    unnest(lasts) AS last)
ON CONFLICT DO NOTHING;

INSERT INTO sequence (name, ordering, source, note)
SELECT unnest(['tic_yfcc', 'tic_redcaps', 'tic_datacomp_medium', 'tic_datacomp_large',
    'tic_datacomp_xlarge']), 'time',
       'arXiv 2310.16226', 'windows of time, the oldest first'
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT sequence, generate_subscripts(years, 1), sequence || '_' || unnest(years), '*'
FROM (VALUES
    ('tic_yfcc', [2004, 2009, 2011, 2013]),
    ('tic_redcaps', [2017, 2018, 2019, 2020]),
    ('tic_datacomp_medium', [2014, 2017, 2018, 2019, 2020, 2021, 2022]),
    ('tic_datacomp_large', [2014, 2017, 2018, 2019, 2020, 2021, 2022]),
    ('tic_datacomp_xlarge', [2014, 2017, 2018, 2019, 2020, 2021, 2022])
) AS windows(sequence, years)
ON CONFLICT DO NOTHING;

-- Backward, in-distribution and forward transfer are means over the (task, window) matrix of the
-- adaptation members, which are the datasets that the tasks bring: the view `continual` calls them
-- tic_backward, acc_learn and tic_forward. Of its 28 static evaluations these are the ones that
-- FoMo-in-Flux has too.
INSERT INTO suite (name, note)
SELECT DISTINCT sequence, 'recall at 1 in every window; ImageNet, its shifts, Flickr30k and COCO'
FROM sequence_concept
WHERE starts_with(sequence, 'tic_')
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric)
SELECT sequence, dataset, 'adapt', 'r1'
FROM sequence_concept
WHERE starts_with(sequence, 'tic_')
UNION ALL
SELECT suite, dataset, 'retain', metric
FROM (SELECT DISTINCT sequence AS suite FROM sequence_concept WHERE starts_with(sequence, 'tic_')),
    (VALUES
    ('imagenet', 'top1'), ('imagenet_a', 'top1'), ('imagenet_r', 'top1'), ('imagenet_s', 'top1'),
     ('imagenet_v2', 'top1'),
    ('flickr30k', 'r1'), ('mscoco', 'r1')
) AS static(dataset, metric)
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note) VALUES
('tic_yfcc', 'tic_yfcc', 4, 'tic_yfcc', '2004 to 2014 in four steps'),
('tic_redcaps', 'tic_redcaps', 4, 'tic_redcaps', '2017 to 2020 in four steps'),
('tic_datacomp_medium', 'tic_datacomp_medium', 7, 'tic_datacomp_medium',
 '2014 to 2022 in seven steps, the first of three years'),
('tic_datacomp_large', 'tic_datacomp_large', 7, 'tic_datacomp_large', 'as tic_datacomp_medium'),
('tic_datacomp_xlarge', 'tic_datacomp_xlarge', 7, 'tic_datacomp_xlarge', 'as tic_datacomp_medium'),
('tic_yfcc_oracle', 'tic_yfcc', 1, 'tic_yfcc', 'everything at once'),
('tic_redcaps_oracle', 'tic_redcaps', 1, 'tic_redcaps', 'everything at once'),
('tic_datacomp_medium_oracle', 'tic_datacomp_medium', 1, 'tic_datacomp_medium',
 'everything at once'),
('tic_datacomp_large_oracle', 'tic_datacomp_large', 1, 'tic_datacomp_large', 'everything at once'),
('tic_datacomp_xlarge_oracle', 'tic_datacomp_xlarge', 1, 'tic_datacomp_xlarge',
 'everything at once')
ON CONFLICT DO NOTHING;

INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, note) VALUES
('tic_cumulative', 0.5, 0.5, 0,
 'half new, half of all earlier steps: the sizes of Cumulative-Equal where storage does not bind')
ON CONFLICT DO NOTHING;

-- Half new, half of a bounded set of old pairs that is shared among the earlier steps. How large
-- the set is, is our reading: as many pairs as a step of the released budget draws.
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, buffer_pairs,
    buffer_policy, note)
SELECT 'tic_' || policy || '_' || scale, 0.5, 0.5, 0, buffer_pairs, policy, about
    || ' of TiC-CLIP (arXiv 2310.16226); ' || scale
FROM (VALUES ('equal', 'Cumulative-Equal'), ('exponential', 'Cumulative-Exp')) AS policies(policy,
    about),
     (VALUES ('medium', 18432000), ('large', 184320000), ('xlarge', 1847296000)) AS scales(scale,
      buffer_pairs)
ON CONFLICT DO NOTHING;

INSERT INTO method (name, "start", note) VALUES
('restart', 'random',
 'every task begins at random weights (Restart of arXiv 2310.16226; its Oracle too); with a '
 || 'recipe that warms up in each')
ON CONFLICT DO NOTHING;

-- As in the released configurations (params/ of apple/ml-tic-clip at xlarge, its patch and scripts
-- at the other scales): weight decay on matrices alone, mixed precision, no clipping, parts of at
-- least 0.9 of an image. Warm-ups are steps, however long a task is: so the streams of one task
-- (Oracle) warm up as long as the first step of time. Later ones begin at the full rate at medium,
-- and so, as nothing else is released, at large, and with 2,000 steps at xlarge; where each begins
-- at random weights (restart), all warm up as the first. open_clip's cosine lags ours by one step.
-- Five of the configurations at xlarge have batches of 90,048 pairs.
INSERT INTO recipe (name, optimizer, optimizer_params, lr, weight_decay, batch_pairs, "precision",
    schedule, schedule_params,
                    augmentation_params, note)
SELECT 'tic_' || scale || suffix, 'adamw',
    '{"betas": [0.9, 0.98], "eps": 1e-6, "decay": "matrices"}', lr, 0.2, batch_pairs, 'fp16',
        'cosine',
       json_object('warmup', warmup, 'floor', 0, 'rewarm', CASE WHEN suffix = '' THEN rewarm
           ELSE 'true'::JSON END),
       '{"scale": [0.9, 1.0], "ratio": [0.75, 1.3333]}', 'TiC-DataComp ' || scale || about
FROM (VALUES
    ('medium', 5e-4, 4096, 500, 'false'::JSON), ('large', 5e-4, 8192, 500, 'false'::JSON),
     ('xlarge', 1e-3, 90112, 10000, '2000'::JSON)
) AS scales(scale, lr, batch_pairs, warmup, rewarm),
(VALUES ('', ''), ('_restart', ', for method restart: every step of time warms up')) AS uses(suffix,
 about)
ON CONFLICT DO NOTHING;

INSERT INTO backbone (name, architecture, note) VALUES
('vit_b32_random', 'ViT-B-32', 'random weights: where the released TiC-DataComp medium begins'),
('vit_b16_random', 'ViT-B-16',
 'random weights: where the released TiC-DataComp large and xlarge begin')
ON CONFLICT DO NOTHING;

INSERT INTO budget (name, unit, total, note) VALUES
('tic_medium', 'pairs', 129024000, 'seven times 4,500 steps of 4,096 pairs'),
('tic_large', 'pairs', 1290240000, 'seven times 22,500 steps of 8,192 pairs'),
('tic_xlarge', 'pairs', 12931072000, 'seven times 20,500 steps of 90,112 pairs')
ON CONFLICT DO NOTHING;
