-- How did the attempts end that train?
-- grain: one row per (trial, attempt) that has ended, measured nothing later and trained first
-- `outcome` without the attempts that measure what a trial deployed (`attempt.measures`), and
-- without those that train it again for its weights (`attempt.retrains`): whether a trial is done,
-- lost or failed is said by the others alone.
CREATE OR REPLACE VIEW trained AS
SELECT * FROM outcome
ANTI JOIN (SELECT trial, attempt FROM attempt
           WHERE measures IS NOT NULL OR retrains IS NOT NULL) later
    USING (trial, attempt);
