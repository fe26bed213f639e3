-- Which trials could start and train the same as another, and which of them let another go first, to take over what it trains?
-- grain: one row per trial that is `startable` and of whose `trunk` another is, or trains now
-- after: of the trials of a `trunk` one goes first: the one that runs, else the best that could
-- start (of equal ones, one that has begun). The others go when it is done; if it never will be,
-- the next of them goes. What was sent before a trial was declared may not have been left for it,
-- so that does not count as done. NULL: it goes first, or need not wait. With `share_trunks` = 0 in
-- `policy` none waits, and nothing is shared.
CREATE OR REPLACE VIEW mates AS
WITH
known AS MATERIALIZED (
    SELECT c.trial, c.attempt, c.priority, c.created_at, k.trunk FROM startable c JOIN trunk k USING (trial)
),
same AS (
    -- trials of these trunks, whatever became of them: which one trains now, and when one was last
    -- sent that is done
    SELECT k.trunk, min(a.trial) FILTER (WHERE o.state IS NULL) AS trains,
           max(a.created_at) FILTER (WHERE o.state = 'done') AS shared_at
    FROM (SELECT * FROM trunk SEMI JOIN known USING (trunk)) k
    JOIN attempt a ON a.trial = k.trial
    LEFT JOIN outcome o ON o.trial = a.trial AND o.attempt = a.attempt
    GROUP BY k.trunk
),
led AS (
    -- only where there are several of a trunk: in most grids there are not
    SELECT trial, first_value(trial) OVER (PARTITION BY trunk ORDER BY priority DESC, attempt > 1 DESC, trial) AS leader
    FROM known SEMI JOIN (SELECT trunk FROM known GROUP BY trunk HAVING count(*) > 1) several USING (trunk)
)
SELECT k.trial, k.trunk,
       CASE WHEN coalesce((SELECT value FROM policy WHERE name = 'share_trunks'), 1) <> 0 AND NOT coalesce(s.shared_at >= k.created_at, false)
            THEN nullif(coalesce(s.trains, l.leader), k.trial) END AS after
FROM known k LEFT JOIN same s USING (trunk) LEFT JOIN led l ON l.trial = k.trial
WHERE l.trial IS NOT NULL OR s.trains IS NOT NULL
ORDER BY k.trial;
