-- Which test items were right after each task, at which rank, and as what were they taken?
-- grain: one row per (trial, task, dataset, label_space, way, item) of a suite with `items`
-- Read where it lies, from the files of `item_files` that are there; the catalog holds no items.
-- way: class, or the direction of a retrieval (image_to_text, text_to_image; all_... over every
-- caption). item: the place in the test set, from 0. rank: how many candidates come before the
-- right one, at most 65535. margin: how much nearer the right one is than the best other, to three
-- digits. answer: the place of what is taken: a class, or a text or image. label: of the own class.
-- Whole test sets. In SQL of your own say first where the files are: `SET VARIABLE items = (SELECT
-- list('lab/runs/' || file) FROM (SELECT DISTINCT file FROM item_files))`.
CREATE OR REPLACE VIEW item AS
WITH
stored AS (
    SELECT *
    FROM query(CASE
        WHEN len(getvariable('items')::VARCHAR[]) > 0
        THEN 'SELECT kept.dataset, kept.label_space, kept.way, kept.fraction, kept.task, kept.item,
                     kept.label, kept.candidates, kept.rank, kept.margin, kept.answer,
                     string_split(kept.filename, ''/'')[-3:-2] AS place
              FROM read_parquet(getvariable(''items''), filename := true) AS kept'
        ELSE 'SELECT known.dataset, known.label_space, '''' AS way, 1::DOUBLE AS fraction,
                     known.task, 0 AS item, 0 AS label, 0 AS candidates, 0 AS rank,
                     0::FLOAT AS margin, 0 AS answer,
                     [error(''Nobody has said where '' || known.file || '' is. Say ''
                            || ''SET VARIABLE items = (SELECT list(''''lab/runs/'''' || file) ''
                            || ''FROM (SELECT DISTINCT file FROM item_files))'')
                     ]::VARCHAR[] AS place
              FROM item_files AS known WHERE known.there IS NULL'
        END)
)
SELECT item_files.trial, stored.task, stored.dataset, stored.label_space, stored.way, stored.item,
       stored.rank = 0 AS is_right, stored.rank, stored.margin, stored.answer, stored.label,
       stored.candidates
FROM stored
JOIN item_files ON item_files.trial = stored.place[1]::BIGINT
    AND item_files.attempt = stored.place[2]::INTEGER AND item_files.task = stored.task
    AND item_files.dataset = stored.dataset AND item_files.label_space = stored.label_space
WHERE stored.fraction = 1;
