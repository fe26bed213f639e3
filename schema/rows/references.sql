-- Published numbers, to compare with and to check loaders by. `setting` is a JSON object, so that
-- SQL can take it apart: setting::JSON ->> 'dataset'. seen: read in a text of the authors of what
-- was measured (paper, page, repository), which `source` and `url` name; compared: read in another
-- paper's comparison; told: read in texts about the paper, of which at least two agree; derived:
-- computed from what was read. Accuracies and recalls are fractions; bwt, forgotten_mean and fwt_zs
-- are differences of them; the rest is in the unit that the metric's name ends in, or a count. What
-- papers are only remembered to say is not here. A setting of our words alone (backbone, stream,
-- mixture, method, recipe, budget, suite, dataset, task) is compared with ours by `reproduced`: its
-- names are those of this catalog, and its metric one that the views have. Any other word
-- (batch_pairs, tasks, shots, pool, system) says that a row is not compared, and why.

-- Zero-shot scores of the FoMo-in-Flux suite, whole test sets, percent in the source; retrieval is
-- recall at 5, both directions' mean.
INSERT INTO reference_result (source, setting, metric, value, provenance, url)
SELECT 'FoMo-in-Flux, zero-shot scores', json_object('backbone', 'vit_b32_laion2b', 'task', 0,
    'dataset', dataset),
       CASE WHEN dataset IN ('fscoco', 'mscoco', 'flickr30k') THEN 'r5' ELSE 'top1' END,
           round(percent / 100, 3), 'seen',
       'https://github.com/ExplainableML/fomo_in_flux'
FROM (VALUES
    ('ai2diagrams', 72.7), ('artbench10', 15.0), ('birdsnap', 46.7), ('caltech101', 90.7),
     ('caltech256', 88.5),
    ('cars196', 85.9), ('cifar100', 75.8), ('cifar10', 93.7), ('clevr', 4.7), ('clrs', 59.7),
     ('country211', 14.6),
    ('cub200', 64.1), ('df20mini', 2.1), ('dollarstreet', 5.5), ('domainnet_clipart', 78.7),
     ('domainnet_infograph', 50.9),
    ('domainnet_painting', 71.9), ('domainnet_quickdraw', 19.1), ('domainnet_sketch', 68.9),
     ('dsprites', 11.8), ('dtd', 54.5),
    ('eurosat', 49.2), ('fashionmnist', 77.0), ('fgvcaircraft', 23.9), ('flowers102', 68.0),
     ('food101', 82.5), ('fru92', 50.3),
    ('gtsrb', 48.6), ('imagenet', 65.5), ('imagenet_a', 23.1), ('imagenet_d', 40.7), ('imagenet_r',
     73.9), ('imagenet_s', 52.3),
    ('imagenet_v2', 57.6), ('inaturalist2021', 5.4), ('isicmelanoma', 14.2), ('mitstates', 25.6),
     ('mnist', 69.2),
    ('monkeys10', 82.7), ('mtsd', 20.2), ('mvtecad_adapt', 80.2), ('mvtecad_eval', 16.8),
     ('objectnet', 32.1),
    ('obsc_animals', 58.9), ('obsc_things', 54.0), ('openimages', 49.4), ('oxford_pets', 90.7),
     ('patternnet', 63.6),
    ('places365', 41.8), ('plantvillage', 28.3), ('quilt', 0.2), ('resisc45', 62.5), ('shapes3d',
     16.8), ('snake_clef', 0.3),
    ('sun397', 68.2), ('stl10', 96.4), ('svhn', 42.8), ('synthclip106', 41.0), ('veg200', 32.5),
     ('zappos50k', 17.5),
    ('mscoco', 72.0), ('flickr30k', 92.3), ('fscoco', 8.1)
) AS scores(dataset, percent)
ON CONFLICT DO NOTHING;

INSERT INTO reference_result (source, setting, metric, value, provenance, url)
SELECT 'FoMo-in-Flux, zero-shot scores', json_object('backbone', 'vit_b32_laion2b', 'task', 0,
    'suite', 'fomo_in_flux'), metric, value,
       'derived', 'https://github.com/ExplainableML/fomo_in_flux'
FROM (VALUES ('a_ka', 0.384732), ('a_zs', 0.679273), ('gm', 0.511212)) AS means(metric, value)
ON CONFLICT DO NOTHING;

-- What a step of 512 pairs costs with ViT-B/16, and the steps of a task that follow. The source
-- calls its second and fifth column per task, but only per step do the counts of steps come out:
-- MAF = GFLOP * multiplier, steps = round(1.8e9 / (T * MAF)). Its EWC charges a whole Fisher pass
-- at every step; the derived counts charge it once a task, in plain FLOPs: what it adds to the peak
-- of memory is left out. Peak memory is of its machine.
INSERT INTO reference_result (source, setting, metric, value, provenance, url)
WITH method_cost AS (
    FROM (VALUES
    ('full-ft', 63394.7585, 46.5917, 1, 63394.7585, [1420, 568, 284, 142]),
    ('locked-text', 57254.6183, 37.5761, 0.8064, 46170.1241, [1949, 780, 390, 195]),
    ('locked-image', 27176.6698, 11.8847, 0.2551, 6932.7684, [12982, 5193, 2596, 1298]),
    ('LNFit', 43165.5968, 30.5566, 0.6558, 28307.9983, [3179, 1272, 636, 318]),
    ('BitFit', 43165.5968, 30.5546, 0.6558, 28307.9983, [3179, 1272, 636, 318]),
    ('LoRA r=4', 54479.2515, 40.5449, 0.8702, 47407.8446, [1898, 759, 380, 190]),
    ('LoRA r=64', 54505.0151, 40.6757, 0.873, 47582.8781, [1891, 757, 378, 189]),
    ('DoRA r=4', 54479.8241, 40.6582, 0.8726, 47539.0945, [1893, 757, 379, 189]),
    ('DoRA r=64', 54514.1754, 40.7871, 0.8754, 47721.7091, [1886, 754, 377, 189]),
    ('VeRA r=4', 54479.3393, 40.5449, 0.8702, 47407.921, [1898, 759, 380, 190]),
    ('VeRA r=64', 54507.8336, 40.5742, 0.8708, 47465.4214, [1896, 758, 379, 190]),
    ('EWC', 6276081.094, 47.207, 1.0132, 6358925.364, [14, 6, 3, 1]),
    ('SI', 63394.7585, 46.6523, 1.0013, 63477.1716, [1418, 567, 284, 142]),
    ('ZS-Merge', 63394.7585, 46.5917, 1, 63394.7585, [1420, 568, 284, 142]),
    ('FT-Merge', 63394.7585, 46.5917, 1, 63394.7585, [1420, 568, 284, 142]),
    ('EMA-Merge', 63394.7585, 46.5917, 1, 63394.7585, [1420, 568, 284, 142])
    ) AS cost(method, gflops, peak_gb, multiplier, maf, steps)
),
step AS (
    UNPIVOT (SELECT method, gflops::DOUBLE AS step_gflops, peak_gb::DOUBLE AS peak_gb,
        multiplier::DOUBLE AS memory_multiplier,
                    maf::DOUBLE AS step_maf_gflops
             FROM method_cost)
    ON step_gflops, peak_gb, memory_multiplier, step_maf_gflops INTO NAME metric VALUE value
),
task AS (
    SELECT method, unnest([20, 50, 100, 200]) AS tasks,
        unnest(steps)::DOUBLE AS value FROM method_cost
),
published AS (
    SELECT method, NULL::INTEGER AS tasks, metric, value, 'seen' AS provenance FROM step
    UNION ALL
    SELECT method, tasks, 'steps_per_task', value, 'seen' FROM task
    UNION ALL
    SELECT method, NULL, 'steps', 200 * value, 'seen' FROM task WHERE tasks = 200
    UNION ALL
    SELECT method, NULL, 'pairs', 200 * 512 * value, 'seen' FROM task WHERE tasks = 200
    UNION ALL
    SELECT 'EWC, its Fisher pass charged once a task, memory left out', unnest([20, 50, 100, 200]),
        'steps_per_task', unnest([1322, 470, 186, 44]), 'derived'
    UNION ALL
    SELECT 'any', NULL, 'budget_maf_gflops', 1.8e9, 'derived'
)
SELECT 'FoMo-in-Flux, compute', json_merge_patch(json_object('backbone', 'vit_b16_laion2b',
    'batch_pairs', 512, 'method', method),
                                                 CASE WHEN tasks IS NULL THEN '{}'
                                                     ELSE json_object('tasks', tasks) END),
       metric, value, provenance, 'https://github.com/ExplainableML/fomo_in_flux'
FROM published
ON CONFLICT DO NOTHING;

-- ZSCL on MTIL in order I: accuracy (percent) on every set (columns) after every task (rows; 0:
-- zero-shot).
INSERT INTO reference_result (source, setting, metric, value, provenance, url)
SELECT 'ZSCL, MTIL', json_object('backbone', 'vit_b16_openai', 'stream', 'mtil_order_1', 'method',
    'ZSCL', 'task', task,
                                 'dataset', 'mtil_' || dataset),
       'top1', round(percent / 100, 3), 'seen', 'https://github.com/Thunderbeee/ZSCL'
FROM (
    SELECT task, unnest(['aircraft', 'caltech101', 'cifar100', 'dtd', 'eurosat', 'flowers', 'food',
        'mnist', 'pets', 'cars', 'sun397'])
           AS dataset, unnest(row) AS percent
    FROM (VALUES
    (0, [24.3, 88.4, 68.2, 44.6, 54.9, 71.0, 88.5, 59.4, 89.0, 64.7, 65.2]),
    (1, [55.1, 86.0, 66.3, 44.9, 49.2, 70.6, 88.3, 53.6, 87.4, 61.3, 65.7]),
    (2, [48.9, 94.2, 68.5, 44.7, 50.4, 67.0, 87.6, 55.2, 85.0, 61.0, 65.9]),
    (3, [47.1, 93.1, 86.2, 46.5, 50.1, 68.8, 87.7, 63.4, 87.6, 60.6, 67.4]),
    (4, [47.0, 93.8, 85.0, 76.2, 51.7, 69.9, 87.8, 65.9, 88.4, 61.2, 67.2]),
    (5, [46.1, 92.8, 84.0, 75.0, 97.8, 69.1, 87.1, 67.6, 88.0, 60.3, 67.1]),
    (6, [43.8, 92.5, 83.2, 73.5, 97.2, 96.3, 87.1, 63.3, 86.5, 58.8, 66.9]),
    (7, [44.3, 92.2, 82.9, 71.2, 96.8, 93.8, 92.2, 63.5, 87.3, 60.3, 67.9]),
    (8, [41.9, 91.9, 80.5, 67.8, 95.3, 89.5, 91.9, 99.0, 84.4, 58.4, 66.5]),
    (9, [41.6, 91.8, 81.3, 68.2, 95.7, 90.7, 92.0, 98.8, 95.3, 58.9, 66.4]),
    (10, [39.8, 91.9, 81.8, 68.9, 95.7, 91.6, 91.8, 98.8, 94.5, 85.8, 67.3]),
    (11, [40.6, 92.2, 81.3, 70.5, 94.8, 90.5, 91.9, 98.7, 93.9, 85.3, 80.2])
    ) AS matrix(task, row)
)
ON CONFLICT DO NOTHING;

-- Its summaries, as the view `continual` names and defines them: transfer, acc_all and acc_final
-- are what the paper calls Transfer, Avg and Last; acc_learn, tic_backward and tic_forward are the
-- means of TiC-CLIP.
INSERT INTO reference_result (source, setting, metric, value, provenance, url)
SELECT 'ZSCL, MTIL', json_object('backbone', 'vit_b16_openai', 'stream', 'mtil_order_1', 'method',
    'ZSCL'), metric, round(percent / 100, 4),
       'derived', 'https://github.com/Thunderbeee/ZSCL'
FROM (VALUES
    ('transfer', 68.13), ('acc_all', 75.38), ('acc_final', 83.63), ('acc_learn', 87.12), ('acc_inc',
     77.60), ('bwt', -3.84),
    ('forgotten_mean', 3.84), ('tic_backward', 79.96), ('tic_forward', 68.46), ('fwt_zs', -1.09)
) AS summaries(metric, percent)
ON CONFLICT DO NOTHING;

INSERT INTO reference_result (source, setting, metric, value, provenance, url)
SELECT source, json_object('backbone', 'vit_b16_openai', 'stream', stream, 'shots', shots, 'method',
    method),
       unnest(['transfer', 'acc_all', 'acc_final']), round(unnest(percent) / 100, 3),
       CASE method WHEN 'CoDyRA' THEN 'seen' ELSE 'compared' END, url
FROM (VALUES
    ('CoDyRA, 5-shot MTIL', 'mtil_order_1', 5, 'LwF', [50.0, 49.2, 46.5],
     'https://artificer-ai-lab.github.io/CoDyRA/'),
    ('CoDyRA, 5-shot MTIL', 'mtil_order_1', 5, 'LwF-VR', [60.1, 62.5, 66.9],
     'https://artificer-ai-lab.github.io/CoDyRA/'),
    ('CoDyRA, 5-shot MTIL', 'mtil_order_1', 5, 'WiSE-FT', [57.7, 63.7, 71.9],
     'https://artificer-ai-lab.github.io/CoDyRA/'),
    ('CoDyRA, 5-shot MTIL', 'mtil_order_1', 5, 'ZSCL', [65.3, 64.4, 67.4],
     'https://artificer-ai-lab.github.io/CoDyRA/'),
    ('CoDyRA, 5-shot MTIL', 'mtil_order_1', 5, 'MoE-Adapters', [68.9, 71.4, 76.1],
     'https://artificer-ai-lab.github.io/CoDyRA/'),
    ('CoDyRA, 5-shot MTIL', 'mtil_order_1', 5, 'RAIL-primal', [69.4, 71.9, 77.2],
     'https://artificer-ai-lab.github.io/CoDyRA/'),
    ('CoDyRA, 5-shot MTIL', 'mtil_order_1', 5, 'CoDyRA', [70.1, 73.3, 78.0],
     'https://artificer-ai-lab.github.io/CoDyRA/'),
    ('CoDyRA, X-TAIL', 'x_tail', 16, 'ZSCL', [59.0, 60.0, 63.4],
     'https://github.com/Artificer-AI-Lab/CoDyRA'),
    ('CoDyRA, X-TAIL', 'x_tail', 16, 'iCaRL', [61.7, 61.0, 64.0],
     'https://github.com/Artificer-AI-Lab/CoDyRA'),
    ('CoDyRA, X-TAIL', 'x_tail', 16, 'LoRA r=16', [61.8, 60.5, 59.4],
     'https://github.com/Artificer-AI-Lab/CoDyRA'),
    ('CoDyRA, X-TAIL', 'x_tail', 16, 'MoE-Adapters', [56.0, 63.0, 70.5],
     'https://github.com/Artificer-AI-Lab/CoDyRA'),
    ('CoDyRA, X-TAIL', 'x_tail', 16, 'RAIL-primal', [62.4, 70.7, 79.1],
     'https://github.com/Artificer-AI-Lab/CoDyRA'),
    ('CoDyRA, X-TAIL', 'x_tail', 16, 'CoDyRA', [63.2, 71.3, 79.2],
     'https://github.com/Artificer-AI-Lab/CoDyRA')
) AS triplets(source, stream, shots, method, percent, url)
ON CONFLICT DO NOTHING;

INSERT INTO reference_result (source, setting, metric, value, provenance, url)
SELECT 'CoDyRA, X-TAIL', json_object('backbone', 'vit_b16_openai', 'stream', 'x_tail', 'shots', 16,
    'method', method), 'forgotten_mean',
       round(percent / 100, 3), CASE method WHEN 'CoDyRA' THEN 'seen' ELSE 'compared' END,
       'https://github.com/Artificer-AI-Lab/CoDyRA'
FROM (VALUES
    ('ZSCL', 8.8), ('MoE-Adapters', 5.4), ('InfLoRA', 3.1), ('LoRA r=4', 13.9), ('LoRA r=16', 14.9),
     ('CoDyRA', 1.9)
) AS forgotten(method, percent)
UNION ALL
SELECT 'CoDyRA, 5-shot MTIL', json_object('backbone', 'vit_b16_openai', 'stream', 'mtil_order_1',
    'shots', 5, 'method', 'zero-shot'),
       'transfer', 0.694, 'compared', 'https://artificer-ai-lab.github.io/CoDyRA/'
ON CONFLICT DO NOTHING;

-- Of 2026, as its abstract has it, which says neither the backbone nor how many images of a class
-- were learned from.
INSERT INTO reference_result (source, setting, metric, value, provenance, url)
SELECT 'CMAP, MTIL', json_object('stream', 'mtil_order_1', 'method', 'CMAP', 'shots', NULL),
       metric, round(percent / 100, 3), 'seen', 'https://arxiv.org/html/2605.25708v1'
FROM (VALUES ('transfer', 74.2), ('acc_all', 80.5), ('acc_final', 88.7)) AS found(metric, percent)
ON CONFLICT DO NOTHING;

-- TiC-DataComp: going on from the last weights with earlier pairs against training anew, mean over
-- ImageNet and its shifts. Read off a plot, which does not say of which scale, so it is no stream
-- of ours.
INSERT INTO reference_result (source, setting, metric, value, provenance, url)
SELECT 'TiC-CLIP, figure of the README', json_object('pool', 'TiC-DataComp', 'datasets',
    'ImageNet and its shifts', 'method', method),
       unnest(['top1', 'macs']), unnest([top1, macs]), 'derived',
           'https://github.com/apple/ml-tic-clip'
FROM (VALUES ('Cumulative', 0.455, 0.52e20), ('Restart', 0.453, 1.4e20)) AS ends(method, top1, macs)
ON CONFLICT DO NOTHING;
