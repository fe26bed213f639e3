-- What does every method keep and gain on the embedded default? One sentence per method row, three
-- seeds, at an equal number of steps. Apply grids/demo.sql first: it makes the base. Rates are not
-- tuned per method (grids/tune.sql shows how): low-rank and partial tunings get the rate that
-- LoRA's sweep chose, all others that of the replay cells, so read this as a first look and not as
-- a ranking.
-- Answer:  python -m queries comparison budget=steps_100
-- Three trials a method, which share what they train alike; methods with a Fisher pass at its published size
-- take longest. A run of it is kept in docpages/kept/methods and shown in docs/methods.md.

INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT 'tiny_base', 'world', 'replay_thirds', m.name,
       CASE WHEN m.tuning IN ('full', 'locked_image', 'locked_text', 'hft', 'migu', 'galore', 'gnsp',
                              'spu')
            THEN 'tiny_lr_2e-3' ELSE 'tiny_lr_8e-3' END,
       'steps_100', seeds.seed, 'methods'
FROM method m, (VALUES (1), (2), (3)) AS seeds(seed)
-- Those of grids/time.sql, and those that are given weights that somebody else trained
WHERE m.name NOT LIKE 'time\_%' ESCAPE '\' AND m.tuning <> 'given'
ON CONFLICT DO NOTHING;
