-- Which trials train the same as another, and which of them let another go first?
-- grain: one row per trial that is `startable` and of whose `trunk` another is, or trains now
-- after: of the trials of a `trunk` one goes first: the one that runs, else the best that could
-- start (of equal ones, one that has begun). The others go when it is done; if it never will be,
-- the next of them goes. What was sent before a trial was declared may not have been left for it,
-- so that does not count as done. NULL: it goes first, or need not wait. With `share_trunks` = 0 in
-- `policy` none waits, and nothing is shared.
CREATE OR REPLACE VIEW mates AS
WITH
known AS MATERIALIZED (
    SELECT startable.trial, startable.attempt, startable.priority, startable.created_at, trunk.trunk
    FROM startable JOIN trunk USING (trial)
),
same AS (
    -- trials of these trunks, whatever became of them: which one trains now, and when one was last
    -- sent that is done
    SELECT shared.trunk, min(attempt.trial) FILTER (WHERE outcome.state IS NULL) AS trains,
           max(attempt.created_at) FILTER (WHERE outcome.state = 'done') AS shared_at
    FROM (SELECT * FROM trunk SEMI JOIN known USING (trunk)) shared
    JOIN attempt ON attempt.trial = shared.trial
    LEFT JOIN outcome ON outcome.trial = attempt.trial AND outcome.attempt = attempt.attempt
    WHERE attempt.measures IS NULL AND attempt.retrains IS NULL
    GROUP BY shared.trunk
),
led AS (
    -- only where there are several of a trunk: in most grids there are not
    SELECT trial, first_value(trial)
           OVER (PARTITION BY trunk ORDER BY priority DESC, attempt > 1 DESC, trial) AS leader
    FROM known
    SEMI JOIN (SELECT trunk FROM known GROUP BY trunk HAVING count(*) > 1) several USING (trunk)
)
SELECT known.trial, known.trunk,
       CASE WHEN coalesce((SELECT value FROM policy WHERE name = 'share_trunks'), 1) <> 0
            AND NOT coalesce(same.shared_at >= known.created_at, false)
            THEN nullif(coalesce(same.trains, led.leader), known.trial) END AS after
FROM known LEFT JOIN same USING (trunk) LEFT JOIN led ON led.trial = known.trial
WHERE led.trial IS NOT NULL OR same.trains IS NOT NULL
ORDER BY known.trial;
