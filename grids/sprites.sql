-- What does each kind of shift cost? Infinite dSprites in four streams, all five tasks of eight
-- concepts: new classes, new values of a factor, the same tasks again, and a drift. The base is
-- that of grids/demo.sql: apply it first. More tasks are more rows: raise the numbers in `task` and
-- the number of tasks of the streams. There are 1,024 names of two words.
-- Answer:  python -m queries comparison stream=sprites_gradual   (or _classes, _values, _recurring)

INSERT INTO dataset (
    name, format, params, kind, classes, templates, license, train_pairs, test_pairs, note
)
WITH task AS (SELECT unnest(range(1, 6)) AS task),
word AS (
    -- two syllables that the tiny text tower knows, in an order of their own, without those that
    -- the world uses
    SELECT name, row_number() OVER (ORDER BY md5(name)) - 1 AS place
    FROM (
        SELECT consonant || vowel || ' ' || initial || rest AS name
        FROM (SELECT unnest(string_split('b d f g k l m n', ' ')) AS consonant),
             (SELECT unnest(string_split('a e i o', ' ')) AS vowel),
             (SELECT unnest(string_split('p r s t v w x z', ' ')) AS initial),
             (SELECT unnest(string_split('ek im on ul', ' ')) AS rest)
    )
    WHERE name NOT IN (
        SELECT unnest(from_json(classes, '["VARCHAR"]')) FROM dataset WHERE format = 'world'
    )
),
eight AS (
    SELECT place // 8 AS number, to_json(list(name ORDER BY place)) AS classes
    FROM word GROUP BY number
),
shift AS (
    SELECT 'classes' AS shift, task, task AS names, '{}' AS params, 'eight new names' AS note
    FROM task
    UNION ALL
    SELECT 'values', task, 0, json_object('values', json_object('colour', [
               ['red', 'orange'], ['green', 'yellow'], ['blue', 'cyan'], ['purple', 'pink'],
               ['brown', 'white']
           ][task]), 'occasion', task), 'the same eight names in two new colours'
    FROM task
    UNION ALL
    SELECT 'recurring', task, task % 2, json_object('occasion', 10 + task),
           'two times eight names, again and again'
    FROM task
    UNION ALL
    SELECT 'gradual', task, 0,
           json_object(
               'values', json_object('colour', ['red', 'orange', 'yellow']),
               'fresh', json_object('colour', ['blue', 'cyan', 'purple']),
               'drift', (task - 1) / 4,
               'occasion', 20 + task
           ),
           'the same eight names, from warm colours to cold ones'
    FROM task
)
SELECT 'sprites_' || shift || '_' || task, 'idsprites',
       json_merge_patch(params, json_object('train', 1200, 'test', 160)),
       'classification', eight.classes, '["a photo of a {}", "an image of a {}"]', 'CC0',
       1200, 160, note
FROM shift JOIN eight ON eight.number = shift.names
ON CONFLICT DO NOTHING;

INSERT INTO sequence (name, ordering, source, note)
SELECT 'sprites_' || shift, 'shift', 'grids/sprites.sql',
       'Infinite dSprites; the shift is ' || shift
FROM (SELECT unnest(['classes', 'values', 'recurring', 'gradual']) AS shift)
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT regexp_replace(dataset, '_\d+$', '') AS sequence,
       row_number() OVER (
           PARTITION BY regexp_replace(dataset, '_\d+$', '') ORDER BY dataset, place
       ),
       dataset, concept
FROM (
    SELECT name AS dataset,
           unnest(from_json(classes, '["VARCHAR"]')) AS concept, unnest(range(8)) AS place
    FROM dataset WHERE format = 'idsprites' AND name LIKE 'sprites\_%' ESCAPE '\'
)
ON CONFLICT DO NOTHING;

INSERT INTO suite (name, note)
SELECT name, 'its five tasks, and what the world retains'
FROM sequence WHERE source = 'grids/sprites.sql'
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric)
SELECT DISTINCT sequence, dataset, 'adapt', 'top1'
FROM sequence_concept WHERE sequence LIKE 'sprites\_%' ESCAPE '\'
UNION ALL
SELECT s.name, m.dataset, m.role, m.metric
FROM sequence s JOIN suite_member m ON m.suite = 'world' AND m.role = 'retain'
WHERE s.source = 'grids/sprites.sql'
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note)
SELECT name, name, 5, name, note FROM sequence WHERE source = 'grids/sprites.sql'
ON CONFLICT DO NOTHING;

INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT 'tiny_base', s.name, cell.mixture, cell.method, cell.recipe, 'steps_250', 1, 'sprites'
FROM stream s, (VALUES
    ('update_only', 'finetune', 'tiny_lr_1e-3'),
    ('update_only', 'ema_merge', 'tiny_lr_5e-4'),
    ('replay_thirds', 'finetune', 'tiny_lr_2e-3'),
    ('replay_thirds', 'ema_merge', 'tiny_lr_2e-3')
) AS cell(mixture, method, recipe)
WHERE s.name LIKE 'sprites\_%' ESCAPE '\'
ON CONFLICT DO NOTHING;
