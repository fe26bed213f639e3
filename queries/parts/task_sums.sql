-- What did each task come to, kept or reckoned, not yet compared with task 0?
-- grain: one row per (trial, task) that has results
-- What is kept (`kept_summary`) where nothing newer is known of the trial (`unkept`), the rest from
-- the facts (`reckoned`).
CREATE OR REPLACE VIEW task_sums AS
SELECT * FROM kept_summary ANTI JOIN unkept USING (trial)
UNION ALL BY NAME
SELECT * FROM reckoned();
