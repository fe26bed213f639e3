-- MTIL (ZSCL, arXiv 2303.06628): eleven datasets one after the other, in two orders, and X-TAIL (RAIL, arXiv 2406.18868), ten of them
-- with the classes of all. Read with torchvision's classes from below mtil/ in the data folder. Where torchvision has no split
-- (caltech101, eurosat, sun397) a fifth is held out by a hash: another fifth than the papers'. Classes and prompts are to be put into
-- rows of your own, or into these before they are used: torchvision's names, in its order. A task is a dataset, every class of it: *.

INSERT INTO dataset (name, format, location, params, kind, templates, note)
SELECT 'mtil_' || name, 'torchvision', 'mtil', params, 'classification', '["a photo of a {}."]', 'MTIL; ' || classes || ' classes'
FROM (VALUES
    ('aircraft', '{"set": "FGVCAircraft", "train": {"split": "trainval"}}', 100),
    ('caltech101', '{"set": "Caltech101", "test_share": 0.2}', 101),
    ('cifar100', '{"set": "CIFAR100"}', 100),
    ('dtd', '{"set": "DTD"}', 47),
    ('eurosat', '{"set": "EuroSAT", "test_share": 0.2}', 10),
    ('flowers', '{"set": "Flowers102"}', 102),
    ('food', '{"set": "Food101"}', 101),
    ('mnist', '{"set": "MNIST"}', 10),
    ('pets', '{"set": "OxfordIIITPet", "train": {"split": "trainval"}}', 37),
    ('cars', '{"set": "StanfordCars"}', 196),
    ('sun397', '{"set": "SUN397", "test_share": 0.2}', 397)
) AS sets(name, params, classes)
ON CONFLICT DO NOTHING;

INSERT INTO sequence (name, ordering, source, note) VALUES
('mtil_order_1', 'published', 'arXiv 2303.06628', 'order I: alphabetical'),
('mtil_order_2', 'published', 'arXiv 2303.06628', 'order II'),
('x_tail', 'published', 'arXiv 2406.18868', 'order I without CIFAR100'),
('x_tail_order_2', 'published', 'arXiv 2505.23271', 'the ten sets of x_tail, from Cars to EuroSAT')
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT sequence, generate_subscripts(datasets, 1), 'mtil_' || unnest(datasets), '*'
FROM (VALUES
    ('mtil_order_1', ['aircraft', 'caltech101', 'cifar100', 'dtd', 'eurosat', 'flowers', 'food', 'mnist', 'pets', 'cars', 'sun397']),
    ('mtil_order_2', ['cars', 'food', 'mnist', 'pets', 'flowers', 'sun397', 'aircraft', 'caltech101', 'dtd', 'eurosat', 'cifar100']),
    ('x_tail', ['aircraft', 'caltech101', 'dtd', 'eurosat', 'flowers', 'food', 'mnist', 'pets', 'cars', 'sun397']),
    ('x_tail_order_2', ['cars', 'aircraft', 'pets', 'food', 'sun397', 'mnist', 'flowers', 'dtd', 'caltech101', 'eurosat'])
) AS orders(sequence, datasets)
ON CONFLICT DO NOTHING;

-- MTIL is told at test time which task an image is of. A task being a dataset, its candidates are all classes of the dataset.
INSERT INTO suite (name, note) VALUES
('mtil', 'eleven sets, candidates: the classes of the set that an image is of'),
('x_tail', 'ten sets, candidates: the classes of all ten')
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric, label_space)
SELECT suite, dataset, 'adapt', 'top1', label_space
FROM (VALUES ('mtil', 'mtil_order_1', 'all'), ('x_tail', 'x_tail', 'union')) AS suites(suite, sequence, label_space)
JOIN sequence_concept USING (sequence)
ON CONFLICT DO NOTHING;

-- What context-aware pretraining (LIxP, arXiv 2411.15099) is judged by: few-shot classifiers on what the image tower says. The
-- paper's list of 21 sets was not read; these are the eleven of MTIL. Its classifiers need no training, those here are linear.
INSERT INTO suite (name, note) VALUES
('mtil_few_shot', 'the suite mtil, and linear probes of 4 and 16 images of each class beside it')
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric, label_space)
SELECT 'mtil_few_shot', dataset, role, metric, label_space FROM suite_member WHERE suite = 'mtil'
UNION ALL
SELECT 'mtil_few_shot', dataset, 'probe', unnest(['fewshot4_top1', 'fewshot16_top1']), 'all' FROM suite_member WHERE suite = 'mtil'
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note) VALUES
('mtil_order_1', 'mtil_order_1', 11, 'mtil', 'a dataset a task, from Aircraft to SUN397'),
('mtil_order_2', 'mtil_order_2', 11, 'mtil', 'a dataset a task, from Cars to CIFAR100'),
('x_tail', 'x_tail', 10, 'x_tail', 'a dataset a task; published with 16 pairs of each class'),
('x_tail_order_2', 'x_tail_order_2', 10, 'x_tail', 'as x_tail, in the other order that LADA has')
ON CONFLICT DO NOTHING;

INSERT INTO recipe (name, optimizer, lr, weight_decay, batch_pairs, schedule, schedule_params, note) VALUES
('mtil', 'adamw', 1e-5, 0, 64, 'cosine', '{"warmup": 0.1, "floor": 0}',
 'that of ZSCL, which took 5e-5 on Aircraft and MNIST and cross-entropy over the classes of a task')
ON CONFLICT DO NOTHING;

INSERT INTO budget (name, unit, total, note) VALUES
('mtil', 'steps', 11000, 'a thousand steps for each of the eleven tasks'),
('x_tail', 'steps', 10000, 'a thousand steps for each of the ten tasks')
ON CONFLICT DO NOTHING;
