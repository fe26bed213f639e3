-- Streams of images with captions, a dataset a task, which are judged by retrieval: the benchmark
-- of C-CLIP (ICLR 2025), `vlcl`, and that of DAR (arXiv 2605.31229), `cmr`. Neither has released
-- tables, so each set is read from below vlcl/ in the data folder as two tables that are to be
-- written first: paths and captions to learn from, and those to measure on. Flickr30k has 1,000
-- test images and COCO 5,000, as usual. What was read of C-CLIP are texts about it: a fifth of
-- Simpsons, WikiArt and Sketch is held out, and half of KreaM. Public sources of four: the
-- repositories yuwan0/lexica-stable-diffusion-v1-5, Norod78/simpsons-blip-captions,
-- hahminlew/kream-product-blip-captions and zoheb/sketch-scene of Hugging Face.
INSERT INTO dataset (name, format, location, params, kind, note)
SELECT name, 'table', replace(name, '_', '/'), '{"train": "train.csv", "test": "test.csv"}',
    'retrieval', note
FROM (VALUES
    ('vlcl_flickr30k', 'photographs of people, five captions each; 1,000 to measure on'),
    ('vlcl_coco', 'photographs of objects, five captions each; 5,000 to measure on'),
    ('vlcl_pets', 'cats and dogs, with captions'),
    ('vlcl_lexica', 'images drawn by Stable Diffusion, with their prompts'),
    ('vlcl_simpsons', 'stills of a cartoon, with captions by BLIP'),
    ('vlcl_wikiart', 'paintings, with captions'),
    ('vlcl_kream', 'clothes and shoes of a shop, with captions by BLIP'),
    ('vlcl_sketch', 'sketches of scenes, with captions'),
    ('vlcl_havg', 'images with captions; measured, never learned'),
    ('cmr_flintstones', 'stills of a cartoon, with captions'),
    ('cmr_rocov2', 'radiology, with the captions of its figures'),
    ('cmr_nocaps', 'photographs of objects that COCO lacks; measured, never learned')
) AS sets(name, note)
ON CONFLICT DO NOTHING;

INSERT INTO sequence (name, ordering, source, note) VALUES
('vlcl', 'published', 'ICLR 2025, C-CLIP', 'eight sets, from Flickr30k to Sketch'),
('cmr', 'published', 'arXiv 2605.31229', 'seven sets, from Flickr30k to ROCOv2')
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT sequence, generate_subscripts(datasets, 1), unnest(datasets), '*'
FROM (VALUES
    ('vlcl', ['vlcl_flickr30k', 'vlcl_coco', 'vlcl_pets', 'vlcl_lexica', 'vlcl_simpsons',
              'vlcl_wikiart', 'vlcl_kream', 'vlcl_sketch']),
    ('cmr', ['vlcl_flickr30k', 'vlcl_lexica', 'vlcl_wikiart', 'vlcl_kream', 'cmr_flintstones',
             'vlcl_sketch', 'cmr_rocov2'])
) AS orders(sequence, datasets)
ON CONFLICT DO NOTHING;

-- Recall at 1 with every caption of an image, both directions' mean; each direction beside it. What
-- is kept is measured on images of other kinds and on the classes of other sets.
INSERT INTO suite (name, note) VALUES
('vlcl', 'recall at 1 of eight sets with captions; HAVG and the classes of six sets'),
('cmr', 'recall at 1 of seven sets with captions; COCO, NoCaps and the classes of three sets '
 || '(the paper has a part of DomainNet too, and does not name it)')
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric)
SELECT sequence, dataset, role, metric
FROM sequence_concept, (VALUES
    ('adapt', 'all_r1'), ('probe', 'all_image_to_text_r1'), ('probe', 'all_text_to_image_r1')
) AS measured(role, metric)
WHERE sequence IN ('vlcl', 'cmr')
UNION ALL
SELECT suite, dataset, 'retain', metric
FROM (VALUES
    ('vlcl', 'vlcl_havg', 'all_r1'), ('vlcl', 'imagenet', 'top1'), ('vlcl', 'cifar100', 'top1'),
    ('vlcl', 'cars196', 'top1'), ('vlcl', 'flowers102', 'top1'), ('vlcl', 'dtd', 'top1'),
    ('vlcl', 'food101', 'top1'),
    ('cmr', 'vlcl_coco', 'all_r1'), ('cmr', 'cmr_nocaps', 'all_r1'), ('cmr', 'imagenet', 'top1'),
    ('cmr', 'cifar100', 'top1'), ('cmr', 'eurosat', 'top1')
) AS kept(suite, dataset, metric)
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note) VALUES
('vlcl', 'vlcl', 8, 'vlcl', 'a dataset a task'),
('cmr', 'cmr', 7, 'cmr',
 'a dataset a task; published with AdamW at 1e-4, 256 pairs a batch, 20 epochs a task')
ON CONFLICT DO NOTHING;
