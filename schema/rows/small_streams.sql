-- Small published streams: the eight datasets on which merging is compared (arXiv 2212.04089 and
-- its sequels), and the fourteen and twenty that contain them (arXiv 2405.07813, 2412.00081), one
-- after the other, and NEVIS'22 TINY (arXiv 2211.11747). Sets that MTIL has too
-- are its rows. As there, classes and prompts are to be put into rows of your own, or into these
-- before they are used. Images that torchvision does not have are read as folders of classes
-- below the data folder.

INSERT INTO dataset (name, format, location, params, kind, templates, license, note)
SELECT name, format, location, params, 'classification', '["a photo of a {}."]', license, note
FROM (VALUES
    ('merge_gtsrb', 'torchvision', 'merge_suite', '{"set": "GTSRB"}', 'CC0', '43 traffic signs'),
    ('merge_svhn', 'torchvision', 'merge_suite', '{"set": "SVHN"}', 'custom, non-commercial',
     '10 digits on houses'),
    ('merge_resisc45', 'imagefolder', 'merge_suite/resisc45', '{"train": "train", "test": "test"}',
     'unspecified', '45 kinds of land use'),
    ('merge_stl10', 'torchvision', 'merge_suite', '{"set": "STL10"}', 'unspecified',
     '10 kinds of objects'),
    ('merge_pcam', 'imagefolder', 'merge_suite/pcam', '{"train": "train", "test": "test"}', 'CC0',
     'tumour or not, in patches of tissue'),
    ('merge_fer2013', 'torchvision', 'merge_suite', '{"set": "FER2013"}', 'unspecified',
     '7 expressions of faces'),
    ('merge_emnist', 'imagefolder', 'merge_suite/emnist', '{"train": "train", "test": "test"}',
     'public domain', 'the part `digits`: 10 digits by hand'),
    ('merge_cifar10', 'torchvision', 'merge_suite', '{"set": "CIFAR10"}', 'unspecified',
     '10 kinds of objects'),
    ('merge_fashionmnist', 'torchvision', 'merge_suite', '{"set": "FashionMNIST"}', 'MIT',
     '10 kinds of clothes'),
    ('merge_renderedsst2', 'torchvision', 'merge_suite', '{"set": "RenderedSST2"}', 'unspecified',
     'reviews as pictures of text, good or bad'),
    ('merge_kmnist', 'torchvision', 'merge_suite', '{"set": "KMNIST"}', 'CC-BY-SA 4.0',
     '10 cursive characters'),
    ('nevis_isic2017', 'imagefolder', 'nevis/isic2017', '{"train": "train", "test": "test"}', 'CC0',
     'melanoma or not'),
    ('nevis_cub200', 'imagefolder', 'nevis/cub200', '{"train": "train", "test": "test"}',
     'custom, non-commercial', '200 birds')
) AS sets(name, format, location, params, license, note)
ON CONFLICT DO NOTHING;

INSERT INTO sequence (name, ordering, source, note) VALUES
('merge_suite', 'published', 'arXiv 2212.04089', 'alphabetical; merged without order in the paper'),
('merge_suite_14', 'published', 'arXiv 2405.07813',
 'the eight of merge_suite and six more; merged without order in the paper'),
('merge_suite_20', 'published', 'arXiv 2405.07813',
 'the fourteen of merge_suite_14 and six more; merged without order in the paper'),
('nevis_tiny', 'published', 'arXiv 2211.11747',
 'by the year of first use; without Pascal 2012, whose images have several labels')
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT sequence, generate_subscripts(datasets, 1), unnest(datasets), '*'
FROM (VALUES
    ('merge_suite', ['mtil_cars', 'mtil_dtd', 'mtil_eurosat', 'merge_gtsrb', 'mtil_mnist',
                     'merge_resisc45', 'mtil_sun397', 'merge_svhn']),
    ('merge_suite_14', ['mtil_cars', 'mtil_dtd', 'mtil_eurosat', 'merge_gtsrb', 'mtil_mnist',
                        'merge_resisc45', 'mtil_sun397', 'merge_svhn', 'merge_pcam', 'mtil_cifar100',
                        'merge_stl10', 'mtil_pets', 'mtil_flowers', 'merge_fer2013']),
    ('merge_suite_20', ['mtil_cars', 'mtil_dtd', 'mtil_eurosat', 'merge_gtsrb', 'mtil_mnist',
                        'merge_resisc45', 'mtil_sun397', 'merge_svhn', 'merge_pcam', 'mtil_cifar100',
                        'merge_stl10', 'mtil_pets', 'mtil_flowers', 'merge_fer2013',
                        'merge_cifar10', 'mtil_food', 'merge_fashionmnist', 'merge_renderedsst2',
                        'merge_emnist', 'merge_kmnist']),
    ('nevis_tiny', ['mtil_mnist', 'mtil_caltech101', 'mtil_cifar100', 'mtil_mnist',
                    'nevis_isic2017', 'nevis_cub200'])
) AS orders(sequence, datasets)
ON CONFLICT DO NOTHING;

INSERT INTO suite (name, note) VALUES
('merge_suite', 'eight sets, candidates: the classes of the set that an image is of'),
('merge_suite_14', 'fourteen sets, candidates: the classes of the set that an image is of'),
('merge_suite_20', 'twenty sets, candidates: the classes of the set that an image is of'),
('nevis_tiny',
 'five sets, candidates: the classes of the set that an image is of; '
 || 'the published error is 1 - top1')
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric)
SELECT DISTINCT sequence, dataset, 'adapt', 'top1'
FROM sequence_concept
WHERE sequence IN ('merge_suite', 'merge_suite_14', 'merge_suite_20', 'nevis_tiny')
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note) VALUES
('merge_suite', 'merge_suite', 8, 'merge_suite', 'a dataset a task'),
('merge_suite_14', 'merge_suite_14', 14, 'merge_suite_14', 'a dataset a task'),
('merge_suite_20', 'merge_suite_20', 20, 'merge_suite_20', 'a dataset a task'),
('nevis_tiny', 'nevis_tiny', 6, 'nevis_tiny', 'a dataset a task, MNIST twice')
ON CONFLICT DO NOTHING;
