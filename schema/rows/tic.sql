-- TiC-CLIP (arXiv 2310.16226): pairs in the order of the time they are from; one concept a time step, everything of its window.
-- Shards lie below tic/ in the data folder, one folder a window. Its recipes for a step are sentences here: Sequential is finetune
-- with update_only, Restart is restart, Patching is patching, Cumulative-* take earlier pairs by the mixture (the set of -All grows, a
-- mixture's shares do not: tic_cumulative is the nearest; -Equal and -Exp are tic_equal_* and tic_exponential_*), Oracle is a stream
-- of one task.

INSERT INTO dataset (name, format, location, kind, classes, train_pairs, note)
SELECT source || '_' || first, 'webdataset', 'tic/' || source || '/' || first, 'captions', '["everything"]', NULL,
       'pairs of ' || CASE WHEN first = last THEN first::VARCHAR ELSE first || ' to ' || last END || '; ' || about
FROM (VALUES
    ('tic_yfcc', [2004, 2009, 2011, 2013], [2008, 2010, 2012, 2014], 'of YFCC15M'),
    ('tic_redcaps', [2017, 2018, 2019, 2020], [2017, 2018, 2019, 2020], 'of RedCaps'),
    ('tic_datacomp_medium', [2014, 2017, 2018, 2019, 2020, 2021, 2022], [2016, 2017, 2018, 2019, 2020, 2021, 2022], 'CommonPool medium'),
    ('tic_datacomp_large', [2014, 2017, 2018, 2019, 2020, 2021, 2022], [2016, 2017, 2018, 2019, 2020, 2021, 2022], 'CommonPool large'),
    ('tic_datacomp_xlarge', [2014, 2017, 2018, 2019, 2020, 2021, 2022], [2016, 2017, 2018, 2019, 2020, 2021, 2022], 'CommonPool xlarge')
) AS sources(source, firsts, lasts, about), LATERAL (SELECT unnest(firsts) AS first, unnest(lasts) AS last)
ON CONFLICT DO NOTHING;

-- What is measured over time: recall among the held-out pairs of each window (1 % of YFCC and RedCaps; TiC-DataComp-Retrieval).
INSERT INTO dataset (name, format, location, kind, note)
SELECT source || '_' || first || '_retrieval', 'webdataset', 'tic/' || source || '_retrieval/' || first, 'retrieval',
       'held-out pairs of ' || CASE WHEN first = last THEN first::VARCHAR ELSE first || ' to ' || last END
FROM (VALUES
    ('tic_yfcc', [2004, 2009, 2011, 2013], [2008, 2010, 2012, 2014]),
    ('tic_redcaps', [2017, 2018, 2019, 2020], [2017, 2018, 2019, 2020]),
    ('tic_datacomp', [2014, 2017, 2018, 2019, 2020, 2021, 2022], [2016, 2017, 2018, 2019, 2020, 2021, 2022])
) AS sources(source, firsts, lasts), LATERAL (SELECT unnest(firsts) AS first, unnest(lasts) AS last)
ON CONFLICT DO NOTHING;

INSERT INTO sequence (name, ordering, source, note)
SELECT unnest(['tic_yfcc', 'tic_redcaps', 'tic_datacomp_medium', 'tic_datacomp_large', 'tic_datacomp_xlarge']), 'time',
       'arXiv 2310.16226', 'windows of time, the oldest first'
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT sequence, generate_subscripts(years, 1), sequence || '_' || unnest(years), 'everything'
FROM (VALUES
    ('tic_yfcc', [2004, 2009, 2011, 2013]),
    ('tic_redcaps', [2017, 2018, 2019, 2020]),
    ('tic_datacomp_medium', [2014, 2017, 2018, 2019, 2020, 2021, 2022]),
    ('tic_datacomp_large', [2014, 2017, 2018, 2019, 2020, 2021, 2022]),
    ('tic_datacomp_xlarge', [2014, 2017, 2018, 2019, 2020, 2021, 2022])
) AS windows(sequence, years)
ON CONFLICT DO NOTHING;

-- Backward, in-distribution and forward transfer are means over the (task, window) matrix of the adaptation members. Of its 28 static
-- evaluations these are the ones that FoMo-in-Flux has too.
INSERT INTO suite (name, note)
SELECT unnest(['tic_yfcc', 'tic_redcaps', 'tic_datacomp']), 'recall at 1 in every window; ImageNet, its shifts, Flickr30k and COCO'
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric)
SELECT suite, suite || '_' || unnest(years) || '_retrieval', 'adapt', 'r1'
FROM (VALUES
    ('tic_yfcc', [2004, 2009, 2011, 2013]),
    ('tic_redcaps', [2017, 2018, 2019, 2020]),
    ('tic_datacomp', [2014, 2017, 2018, 2019, 2020, 2021, 2022])
) AS windows(suite, years)
UNION ALL
SELECT suite, dataset, 'retain', metric
FROM (SELECT unnest(['tic_yfcc', 'tic_redcaps', 'tic_datacomp']) AS suite), (VALUES
    ('imagenet', 'top1'), ('imagenet_a', 'top1'), ('imagenet_r', 'top1'), ('imagenet_s', 'top1'), ('imagenet_v2', 'top1'),
    ('flickr30k', 'r1'), ('mscoco', 'r1')
) AS static(dataset, metric)
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note) VALUES
('tic_yfcc', 'tic_yfcc', 4, 'tic_yfcc', '2004 to 2014 in four steps'),
('tic_redcaps', 'tic_redcaps', 4, 'tic_redcaps', '2017 to 2020 in four steps'),
('tic_datacomp_medium', 'tic_datacomp_medium', 7, 'tic_datacomp', '2014 to 2022 in seven steps, the first of three years'),
('tic_datacomp_large', 'tic_datacomp_large', 7, 'tic_datacomp', 'as tic_datacomp_medium'),
('tic_datacomp_xlarge', 'tic_datacomp_xlarge', 7, 'tic_datacomp', 'as tic_datacomp_medium'),
('tic_yfcc_oracle', 'tic_yfcc', 1, 'tic_yfcc', 'everything at once'),
('tic_redcaps_oracle', 'tic_redcaps', 1, 'tic_redcaps', 'everything at once'),
('tic_datacomp_medium_oracle', 'tic_datacomp_medium', 1, 'tic_datacomp', 'everything at once'),
('tic_datacomp_large_oracle', 'tic_datacomp_large', 1, 'tic_datacomp', 'everything at once'),
('tic_datacomp_xlarge_oracle', 'tic_datacomp_xlarge', 1, 'tic_datacomp', 'everything at once')
ON CONFLICT DO NOTHING;

INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, note) VALUES
('tic_cumulative', 0.5, 0.5, 0, 'half new, half of all earlier steps: the sizes of Cumulative-Equal where storage does not bind')
ON CONFLICT DO NOTHING;

-- Half new, half of a bounded set of old pairs that is shared among the earlier steps. How large the set is, is our reading: as many
-- pairs as a step of the released budget draws.
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, buffer_pairs, buffer_policy, note)
SELECT 'tic_' || policy || '_' || scale, 0.5, 0.5, 0, buffer_pairs, policy, about || ' of TiC-CLIP (arXiv 2310.16226); ' || scale
FROM (VALUES ('equal', 'Cumulative-Equal'), ('exponential', 'Cumulative-Exp')) AS policies(policy, about),
     (VALUES ('medium', 18432000), ('large', 184320000), ('xlarge', 1847296000)) AS scales(scale, buffer_pairs)
ON CONFLICT DO NOTHING;

INSERT INTO method (name, "start", note) VALUES
('restart', 'random', 'every task begins at random weights (Restart of arXiv 2310.16226; its Oracle too)')
ON CONFLICT DO NOTHING;

-- Warm-ups are 500 and 10,000 steps, in the first step of time only. The weight decay is that of DataComp (arXiv 2304.14108), where
-- the released patch says nothing.
INSERT INTO recipe (name, optimizer, optimizer_params, lr, weight_decay, batch_pairs, schedule, schedule_params, note)
SELECT 'tic_' || scale, 'adamw', '{"betas": [0.9, 0.98], "eps": 1e-6, "decay": "matrices"}', lr, 0.2, batch_pairs, 'cosine',
       json_object('warmup', warmup, 'floor', 0, 'rewarm', false), 'TiC-DataComp ' || scale
FROM (VALUES
    ('medium', 5e-4, 4096, 0.1111), ('large', 5e-4, 8192, 0.0222), ('xlarge', 1e-3, 90112, 0.4878)
) AS scales(scale, lr, batch_pairs, warmup)
ON CONFLICT DO NOTHING;

INSERT INTO budget (name, unit, total, note) VALUES
('tic_medium', 'pairs', 129024000, 'seven times 4,500 steps of 4,096 pairs'),
('tic_large', 'pairs', 1290240000, 'seven times 22,500 steps of 8,192 pairs'),
('tic_xlarge', 'pairs', 12931072000, 'seven times 20,500 steps of 90,112 pairs')
ON CONFLICT DO NOTHING;
