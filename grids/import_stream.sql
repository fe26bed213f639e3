-- Reads published lists into the catalog: the classes of the datasets of FoMo-in-Flux, and the
-- concepts of its streams. Its repository is expected as fomo_in_flux/ in the folder in which
-- `python -m schema grids/import_stream.sql` is run; a pattern such as
-- '.../stream_construction/*_sequence_*.json' reads several orders at once. What is there already
-- is left as it is.
--
-- A class list is a JSON list, CUB200_classnames.json, in the order that labels count in. A stream
-- is a JSON list of "CUB200+++Black footed Albatross", dataset and class: where a dataset lies
-- (`location`) says which row is meant, and the file's name (`source`) which sequence. For a list
-- of your own, insert a row into `sequence` with its path as the source first.

SET VARIABLE class_lists = 'fomo_in_flux/data_lib/00_info/*_classnames.json';
SET VARIABLE streams = 'fomo_in_flux/stream_construction/random_sequence_1.json';

UPDATE dataset SET classes = to_json(from_json(file.content, '["VARCHAR"]'))
FROM read_text(getvariable('class_lists')) AS file
WHERE dataset.format = 'fomo' AND dataset.classes::VARCHAR = '[]'
    AND parse_filename(dataset.location) || '_classnames.json' = parse_filename(file.filename);

-- Whatever has no row keeps its own name here, so that the foreign keys refuse it and say which it
-- is.
INSERT INTO sequence_concept (sequence, position, dataset, concept)
SELECT coalesce(s.name, file), position, coalesce(d.name, folder), concept
FROM (
    SELECT file, position,
           split_part(entry, '+++', 1) AS folder, split_part(entry, '+++', 2) AS concept
    FROM (
        SELECT parse_filename(filename) AS file,
               unnest(entries) AS entry, generate_subscripts(entries, 1) AS position
        FROM (
            SELECT filename, from_json(content, '["VARCHAR"]') AS entries
            FROM read_text(getvariable('streams'))
        )
    )
)
LEFT JOIN sequence s ON parse_filename(s.source) = file
LEFT JOIN (
    -- of several rows at one place, that without images held out, then that of the shortest name
    SELECT parse_filename(location) AS place,
           arg_min(
               name, (coalesce(params->>'test_share', '0')::DOUBLE, length(name), name)
           ) AS name
    FROM dataset
    WHERE format = 'fomo'
    GROUP BY place
) d ON place = folder
ON CONFLICT DO NOTHING;
