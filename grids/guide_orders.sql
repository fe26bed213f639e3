-- Orders of the forty concepts of the world, to be applied before grids/guide.sql. Each is
-- what `python -m runner.order` printed with the base of the demo; `source` is the command.

INSERT INTO sequence (name, ordering, seed, source, note, scores) VALUES
('guide_easy_first', 'easy_to_hard', 0,
 'runner.order guide_easy_first --like world'
 || ' --by easy_to_hard --seed 0 --backbone tiny_base --pairs 100',
 'the concepts of world_random by easy_to_hard, backbone tiny_base',
 '[0.9, 0.73, 0.62, 0.57, 0.52, 0.49, 0.35, 0.32, 0.32, 0.28, 0.26, 0.24, 0.22, 0.18, 0.13,
    0.13, 0.13, 0.11, 0.11, 0.1, 0.1, 0.1, 0.08, 0.06, 0.05, 0.05, 0.04, 0.04, 0.04, 0.04,
    0.03, 0.02, 0.02, 0.02, 0.02, 0.01, 0.0, 0.0, 0.0, 0.0]')
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT 'guide_easy_first', * FROM (VALUES
    (1, 'haze', 'star'), (2, 'haze', 'bar'), (3, 'crystals', 'ge xon'), (4, 'haze', 'cross'),
    (5, 'blobs', 'le rim'), (6, 'haze', 'flower'), (7, 'blobs', 'ga vek'),
    (8, 'crystals', 'mo wim'), (9, 'duos', 'be vim'), (10, 'weaves', 'ki tim'),
    (11, 'duos', 'ma wek'), (12, 'weaves', 'ma pek'), (13, 'haze', 'triangle'),
    (14, 'haze', 'oval'), (15, 'crystals', 'go rul'), (16, 'duos', 'ni rek'),
    (17, 'weaves', 'bo sim'), (18, 'blobs', 'de rul'), (19, 'weaves', 'go tim'),
    (20, 'duos', 'do rim'), (21, 'haze', 'circle'), (22, 'weaves', 'bi xek'),
    (23, 'weaves', 'ne rim'), (24, 'blobs', 'la vim'), (25, 'blobs', 'ke pek'),
    (26, 'duos', 'li vek'), (27, 'blobs', 'ma tim'), (28, 'crystals', 'ni zim'),
    (29, 'haze', 'square'), (30, 'weaves', 'ni rul'), (31, 'duos', 'la von'),
    (32, 'crystals', 'la tek'), (33, 'duos', 'ge zon'), (34, 'duos', 'lo tul'),
    (35, 'weaves', 'bo rek'), (36, 'crystals', 'gi rek'), (37, 'blobs', 'be pul'),
    (38, 'blobs', 'ke pim'), (39, 'crystals', 'fo zek'), (40, 'crystals', 'la vul')
)
ON CONFLICT DO NOTHING;

INSERT INTO sequence (name, ordering, seed, source, note, scores) VALUES
('guide_hard_first', 'easy_to_hard', 0,
 'runner.order guide_hard_first --like world'
 || ' --by easy_to_hard --seed 0 --backbone tiny_base --pairs 100 --reverse',
 'the concepts of world_random by easy_to_hard, backbone tiny_base; from end to start',
 '[0.0, 0.0, 0.0, 0.0, 0.01, 0.02, 0.02, 0.02, 0.02, 0.03, 0.04, 0.04, 0.04, 0.04, 0.05,
    0.05, 0.06, 0.08, 0.1, 0.1, 0.1, 0.11, 0.11, 0.13, 0.13, 0.13, 0.18, 0.22, 0.24, 0.26,
    0.28, 0.32, 0.32, 0.35, 0.49, 0.52, 0.57, 0.62, 0.73, 0.9]')
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT 'guide_hard_first', * FROM (VALUES
    (1, 'crystals', 'la vul'), (2, 'crystals', 'fo zek'), (3, 'blobs', 'ke pim'),
    (4, 'blobs', 'be pul'), (5, 'crystals', 'gi rek'), (6, 'weaves', 'bo rek'),
    (7, 'duos', 'lo tul'), (8, 'duos', 'ge zon'), (9, 'crystals', 'la tek'),
    (10, 'duos', 'la von'), (11, 'weaves', 'ni rul'), (12, 'haze', 'square'),
    (13, 'crystals', 'ni zim'), (14, 'blobs', 'ma tim'), (15, 'duos', 'li vek'),
    (16, 'blobs', 'ke pek'), (17, 'blobs', 'la vim'), (18, 'weaves', 'ne rim'),
    (19, 'weaves', 'bi xek'), (20, 'haze', 'circle'), (21, 'duos', 'do rim'),
    (22, 'weaves', 'go tim'), (23, 'blobs', 'de rul'), (24, 'weaves', 'bo sim'),
    (25, 'duos', 'ni rek'), (26, 'crystals', 'go rul'), (27, 'haze', 'oval'),
    (28, 'haze', 'triangle'), (29, 'weaves', 'ma pek'), (30, 'duos', 'ma wek'),
    (31, 'weaves', 'ki tim'), (32, 'duos', 'be vim'), (33, 'crystals', 'mo wim'),
    (34, 'blobs', 'ga vek'), (35, 'haze', 'flower'), (36, 'blobs', 'le rim'),
    (37, 'haze', 'cross'), (38, 'crystals', 'ge xon'), (39, 'haze', 'bar'), (40, 'haze', 'star')
)
ON CONFLICT DO NOTHING;

INSERT INTO sequence (name, ordering, seed, source, note, scores) VALUES
('guide_alike', 'similarity', 0,
 'runner.order guide_alike --like world'
 || ' --by similarity --seed 0 --backbone tiny_base',
 'the concepts of world_random by similarity, backbone tiny_base',
 '[null, 0.946473, 0.98088, 0.989762, 0.976133, 0.979043, 0.970938, 0.947313, 0.995118,
    0.893416, 0.951189, 0.979302, 0.963261, 0.981327, 0.946061, 0.931596, 0.891766, 0.919213,
    0.92845, 0.850646, 0.797089, 0.935655, 0.963661, 0.861307, 0.878735, 0.810353, 0.798579,
    0.979658, 0.965077, 0.981987, 0.967469, 0.928706, 0.966899, 0.826051, 0.929574, 0.820573,
    0.835461, 0.738982, 0.745296, 0.585565]')
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT 'guide_alike', * FROM (VALUES
    (1, 'weaves', 'bo sim'), (2, 'haze', 'circle'), (3, 'blobs', 'de rul'),
    (4, 'weaves', 'ni rul'), (5, 'weaves', 'ki tim'), (6, 'weaves', 'ma pek'),
    (7, 'blobs', 'ma tim'), (8, 'weaves', 'go tim'), (9, 'crystals', 'go rul'),
    (10, 'weaves', 'bi xek'), (11, 'weaves', 'bo rek'), (12, 'duos', 'ni rek'),
    (13, 'blobs', 'ke pek'), (14, 'crystals', 'fo zek'), (15, 'crystals', 'ni zim'),
    (16, 'crystals', 'gi rek'), (17, 'blobs', 'ke pim'), (18, 'crystals', 'ge xon'),
    (19, 'duos', 'ge zon'), (20, 'haze', 'cross'), (21, 'duos', 'be vim'), (22, 'blobs', 'be pul'),
    (23, 'haze', 'oval'), (24, 'duos', 'lo tul'), (25, 'haze', 'square'), (26, 'haze', 'flower'),
    (27, 'duos', 'la von'), (28, 'crystals', 'la tek'), (29, 'blobs', 'ga vek'),
    (30, 'duos', 'li vek'), (31, 'blobs', 'la vim'), (32, 'blobs', 'le rim'),
    (33, 'weaves', 'ne rim'), (34, 'duos', 'do rim'), (35, 'crystals', 'la vul'),
    (36, 'crystals', 'mo wim'), (37, 'haze', 'triangle'), (38, 'haze', 'star'),
    (39, 'duos', 'ma wek'), (40, 'haze', 'bar')
)
ON CONFLICT DO NOTHING;

INSERT INTO sequence (name, ordering, seed, source, note, scores) VALUES
('guide_rare_first', 'frequency', 0,
 'runner.order guide_rare_first --like world'
 || ' --by frequency --seed 0 --pool base',
 'the concepts of world_random by frequency, pool base',
 '[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 1625, 1643, 1651, 1652, 1679, 1702, 1703, 1719]')
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT 'guide_rare_first', * FROM (VALUES
    (1, 'blobs', 'be pul'), (2, 'blobs', 'de rul'), (3, 'blobs', 'ga vek'), (4, 'blobs', 'ke pek'),
    (5, 'blobs', 'ke pim'), (6, 'blobs', 'la vim'), (7, 'blobs', 'le rim'), (8, 'blobs', 'ma tim'),
    (9, 'crystals', 'fo zek'), (10, 'crystals', 'ge xon'), (11, 'crystals', 'gi rek'),
    (12, 'crystals', 'go rul'), (13, 'crystals', 'la tek'), (14, 'crystals', 'la vul'),
    (15, 'crystals', 'mo wim'), (16, 'crystals', 'ni zim'), (17, 'duos', 'be vim'),
    (18, 'duos', 'do rim'), (19, 'duos', 'ge zon'), (20, 'duos', 'la von'), (21, 'duos', 'li vek'),
    (22, 'duos', 'lo tul'), (23, 'duos', 'ma wek'), (24, 'duos', 'ni rek'),
    (25, 'weaves', 'bi xek'), (26, 'weaves', 'bo rek'), (27, 'weaves', 'bo sim'),
    (28, 'weaves', 'go tim'), (29, 'weaves', 'ki tim'), (30, 'weaves', 'ma pek'),
    (31, 'weaves', 'ne rim'), (32, 'weaves', 'ni rul'), (33, 'haze', 'flower'),
    (34, 'haze', 'triangle'), (35, 'haze', 'oval'), (36, 'haze', 'square'), (37, 'haze', 'bar'),
    (38, 'haze', 'cross'), (39, 'haze', 'star'), (40, 'haze', 'circle')
)
ON CONFLICT DO NOTHING;

INSERT INTO sequence (name, ordering, seed, source, note, scores) VALUES
('guide_set_by_set', 'dataset', 0,
 'runner.order guide_set_by_set --like world'
 || ' --by dataset --seed 0',
 'the concepts of world_random by dataset',
 '[null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
    null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
    null, null, null, null, null, null, null, null, null, null]')
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT 'guide_set_by_set', * FROM (VALUES
    (1, 'blobs', 'ke pim'), (2, 'blobs', 'ga vek'), (3, 'blobs', 'ke pek'), (4, 'blobs', 'de rul'),
    (5, 'blobs', 'be pul'), (6, 'blobs', 'le rim'), (7, 'blobs', 'ma tim'), (8, 'blobs', 'la vim'),
    (9, 'crystals', 'go rul'), (10, 'crystals', 'gi rek'), (11, 'crystals', 'ge xon'),
    (12, 'crystals', 'fo zek'), (13, 'crystals', 'la vul'), (14, 'crystals', 'la tek'),
    (15, 'crystals', 'mo wim'), (16, 'crystals', 'ni zim'), (17, 'duos', 'ni rek'),
    (18, 'duos', 'ge zon'), (19, 'duos', 'ma wek'), (20, 'duos', 'li vek'), (21, 'duos', 'do rim'),
    (22, 'duos', 'lo tul'), (23, 'duos', 'la von'), (24, 'duos', 'be vim'), (25, 'haze', 'flower'),
    (26, 'haze', 'bar'), (27, 'haze', 'cross'), (28, 'haze', 'oval'), (29, 'haze', 'star'),
    (30, 'haze', 'circle'), (31, 'haze', 'square'), (32, 'haze', 'triangle'),
    (33, 'weaves', 'bo sim'), (34, 'weaves', 'ma pek'), (35, 'weaves', 'ne rim'),
    (36, 'weaves', 'go tim'), (37, 'weaves', 'bi xek'), (38, 'weaves', 'ki tim'),
    (39, 'weaves', 'ni rul'), (40, 'weaves', 'bo rek')
)
ON CONFLICT DO NOTHING;
