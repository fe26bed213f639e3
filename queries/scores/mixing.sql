-- Which shares did each segment of a task have, and how hard was each source after it?
-- grain: one row per (trial, task, segment, source) of a mixture with segments
-- From `statistic`. share: of a batch, as the mixture's mixing said it. loss: of the source's
-- held-out pairs after the segment, over that at chance; NULL where nothing was measured.
-- held_out_pairs: how many pairs of the source no step of the task learns from.
CREATE OR REPLACE VIEW mixing AS
WITH
kept AS (
    SELECT statistic.* FROM statistic JOIN standing USING (trial, task, attempt)
    WHERE statistic.name IN ('mixing_share', 'mixing_loss', 'held_out_pairs')
),
said AS (
    SELECT trial, task, part, split_part(part, ' ', 1)::INTEGER AS segment,
           split_part(part, ' ', 2) AS source, value AS share
    FROM kept WHERE name = 'mixing_share'
)
SELECT said.trial, trial.mixture, said.task, said.segment, said.source, said.share,
       measured.value AS loss, counted.value::BIGINT AS held_out_pairs
FROM said
JOIN trial ON trial.id = said.trial
LEFT JOIN kept AS measured ON (measured.trial, measured.task, measured.part, measured.name)
    = (said.trial, said.task, said.part, 'mixing_loss')
LEFT JOIN kept AS counted ON (counted.trial, counted.task, counted.part, counted.name)
    = (said.trial, said.task, said.source, 'held_out_pairs')
ORDER BY said.trial, said.task, said.segment, said.source;
