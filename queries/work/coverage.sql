-- Which combinations are complete, and what is missing?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) that was ever wanted
-- Counted in seeds. seeds_wanted = done + running + failed + missing; withdrawn ones are no longer
-- wanted. failed includes refused and cancelled; missing is what has yet to run.
CREATE OR REPLACE VIEW coverage AS
WITH
counted AS (
    SELECT t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget,
           count(*) FILTER (WHERE g.state <> 'withdrawn') AS seeds_wanted,
           count(*) FILTER (WHERE g.state = 'done') AS done,
           count(*) FILTER (WHERE g.state IN ('running', 'submitting')) AS running,
           count(*) FILTER (WHERE g.state IN ('failed', 'refused', 'cancelled')) AS failed,
           count(*) FILTER (WHERE g.state IN ('pending', 'waiting')) AS missing,
           count(*) FILTER (WHERE g.state = 'withdrawn') AS withdrawn
    FROM trial t JOIN stage g ON g.trial = t.id
    GROUP BY ALL
)
SELECT c.*, c.done = c.seeds_wanted AS complete
FROM counted c
ORDER BY c.backbone, c.stream, c.budget, c.recipe, c.mixture, c.method;
