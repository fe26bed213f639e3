-- What did each task come to, kept or reckoned?
-- grain: one row per (trial, task) that has results
-- What is kept (`kept_summary`) where nothing newer is known of the trial (`unkept`), the rest from the facts (`reckoned`). Many answers
-- begin here: with every trial kept they read one row per task, not each result.
CREATE OR REPLACE VIEW summary AS
SELECT * FROM kept_summary ANTI JOIN unkept USING (trial)
UNION ALL BY NAME
SELECT * FROM reckoned();
