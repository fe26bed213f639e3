-- How did the attempts end that train?
-- grain: one row per (trial, attempt) that has ended and was no measurement
-- `outcome` without the attempts that measure what a trial deployed (`attempt.measures`): whether a
-- trial is done, lost or failed is said by these alone.
CREATE OR REPLACE VIEW trained AS
SELECT * FROM outcome
ANTI JOIN (SELECT trial, attempt FROM attempt WHERE measures IS NOT NULL) later
    USING (trial, attempt);
