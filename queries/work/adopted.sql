-- Which attempts were adopted from another lab, and what did they bring?
-- grain: one row per (trial, attempt) that was not made here
-- origin: the run folder that it was copied from, which names the lab, the trial's number there and
-- the attempt. results, costs: how many rows of these tables are its. code, device, host: what it
-- ran on there.
CREATE OR REPLACE VIEW adopted AS
WITH
other AS (
    SELECT trial, attempt, origin, code FROM attempt WHERE origin IS NOT NULL
),
measured AS (
    SELECT result.trial, result.attempt, count(*) AS results FROM result
    SEMI JOIN other ON other.trial = result.trial AND other.attempt = result.attempt
    GROUP BY result.trial, result.attempt
),
charged AS (
    SELECT cost.trial, cost.attempt, count(*) AS costs FROM cost
    SEMI JOIN other ON other.trial = cost.trial AND other.attempt = cost.attempt
    GROUP BY cost.trial, cost.attempt
)
SELECT other.trial, other.attempt, trial.study, other.origin, outcome.state,
       coalesce(measured.results, 0) AS results, coalesce(charged.costs, 0) AS costs, other.code,
       outcome.device, outcome.host
FROM other
JOIN trial ON trial.id = other.trial
LEFT JOIN outcome ON outcome.trial = other.trial AND outcome.attempt = other.attempt
LEFT JOIN measured ON measured.trial = other.trial AND measured.attempt = other.attempt
LEFT JOIN charged ON charged.trial = other.trial AND charged.attempt = other.attempt
ORDER BY other.trial, other.attempt;
