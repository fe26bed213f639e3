-- Hyperparameters for FoMo-in-Flux, chosen on training images: a fifth of each set's training
-- images (by a hash of the path) is measured on and not learned from, as in its validation mode;
-- its test images stay untouched. Apply grids/import_stream.sql first, then use stream
-- fomo_validation in place of fomo_random_1_t20. Sets without training images (the variants of
-- ImageNet, COCO, Flickr30k) are left out, so its a_zs is of fewer sets than the published one and
-- is compared with itself alone.

SET VARIABLE original = 'fomo_random_1';

INSERT INTO dataset (name, format, location, params, kind, classes, templates, license, year, note)
SELECT name || '_validation', format, location,
       json_merge_patch(
           params, json_object('test', coalesce(params->>'train', 'train'), 'test_share', 0.2)
       ),
       kind, classes, templates, license, year, note || '; a fifth of the training images held out'
FROM dataset
WHERE format = 'fomo'
    AND train_pairs > 0
    AND name IN (SELECT dataset FROM suite_member WHERE suite = 'fomo_in_flux')
ON CONFLICT DO NOTHING;

INSERT INTO sequence (name, ordering, seed, source, note)
SELECT 'fomo_validation', ordering, seed, source,
       'as ' || name || ', over the sets with images held out'
FROM sequence WHERE name = getvariable('original')
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT 'fomo_validation', position, dataset || '_validation', concept
FROM sequence_concept WHERE sequence = getvariable('original')
ON CONFLICT DO NOTHING;

INSERT INTO suite (name, subset, note)
SELECT 'fomo_validation', subset,
       'training images held out: hyperparameters are chosen here, and never on the suite '
       || 'fomo_in_flux'
FROM suite WHERE name = 'fomo_in_flux'
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric)
SELECT 'fomo_validation', dataset || '_validation', role, metric
FROM suite_member
WHERE suite = 'fomo_in_flux' AND dataset || '_validation' IN (SELECT name FROM dataset)
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note) VALUES (
    'fomo_validation', 'fomo_validation', 20, 'fomo_validation',
    'as fomo_random_1_t20, but measured on training images held out'
)
ON CONFLICT DO NOTHING;

-- From here on `recipes = 'chosen'` and `tuned` choose for fomo_random_1_t20 by what was measured
-- there.
UPDATE stream SET validation = 'fomo_validation' WHERE name = 'fomo_random_1_t20';
