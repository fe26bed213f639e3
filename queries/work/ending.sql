-- How did each attempt end?
-- grain: one row per (trial, attempt) that has ended
-- signature: the message with its numbers as #, so that `nan at step 17` and `nan at step 18` are
-- one failure, and without what sync advises of a GPU that is too small.
CREATE OR REPLACE VIEW ending AS
SELECT trial.study, outcome.*,
       regexp_replace(
           regexp_replace(coalesce(outcome.message, ''), '; by the profile .*', ''),
           '0x[0-9a-fA-F]+|[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?', '#', 'g') AS signature
FROM outcome LEFT JOIN trial ON trial.id = outcome.trial;
