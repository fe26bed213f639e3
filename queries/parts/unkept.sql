-- Of which trials are the facts newer than what is kept of them?
-- grain: one row per trial
-- `kept_until` says how far `kept_summary` and `kept_cost` go: to a place in `result` and in
-- `cost`. Rows from there on are newer. Where fewer rows stand before it than did, or another is
-- the last, rows have gone, and nothing that is kept can be relied on. Where a stream or suite has
-- changed, its trials are found. Where another suite is asked about (`asked_suite`), all
-- are. (Through a list, because what comes of one is planned as a few rows, which these nearly
-- always are.)
CREATE OR REPLACE VIEW unkept AS
WITH
mark AS (
    SELECT max(kept_until.place) FILTER (WHERE kept_until.fact = 'result') AS results,
           max(kept_until.place) FILTER (WHERE kept_until.fact = 'cost') AS costs
    FROM kept_until
),
now_ AS (
    SELECT 'result' AS fact,
           (SELECT count(*) FROM result)
           - (SELECT count(*) FROM result WHERE rowid >= (SELECT mark.results FROM mark)) AS rows,
           (SELECT hash(result) FROM result
            WHERE rowid = (SELECT mark.results - 1 FROM mark))::VARCHAR AS seen
    UNION ALL
    SELECT 'cost', (SELECT count(*) FROM cost)
           - (SELECT count(*) FROM cost WHERE rowid >= (SELECT mark.costs FROM mark)),
           (SELECT hash(cost) FROM cost WHERE rowid = (SELECT mark.costs - 1 FROM mark))::VARCHAR
    UNION ALL
    SELECT 'stream', count(*), bit_xor(stream_seen.seen)::VARCHAR FROM stream_seen
),
sound AS (
    SELECT kept_until.fact, kept_until.place FROM kept_until
    JOIN now_ ON now_.fact = kept_until.fact AND now_.rows = kept_until.rows
        AND now_.seen IS NOT DISTINCT FROM kept_until.seen
),
newer AS (
    -- what is kept is of each stream's own suite: of another, nothing is
    SELECT trial.id AS trial FROM trial WHERE getvariable('suite') IS NOT NULL
    UNION
    SELECT trial FROM result
    WHERE rowid >= coalesce((SELECT sound.place FROM sound WHERE sound.fact = 'result'), 0)
    UNION
    SELECT trial FROM cost
    WHERE rowid >= coalesce((SELECT sound.place FROM sound WHERE sound.fact = 'cost'), 0)
    UNION
    SELECT kept_summary.trial FROM kept_summary
    WHERE kept_summary.rowid
    >= coalesce((SELECT 9000000000000000000 FROM sound
                 HAVING count(*) FILTER (WHERE sound.fact <> 'stream') = 2), 0)
    UNION
    SELECT kept_cost.trial FROM kept_cost
    WHERE kept_cost.rowid
    >= coalesce((SELECT 9000000000000000000 FROM sound
                 HAVING count(*) FILTER (WHERE sound.fact <> 'stream') = 2), 0)
    UNION
    SELECT kept_summary.trial FROM kept_summary
    ANTI JOIN stream_seen ON stream_seen.seen = kept_summary.seen
    WHERE kept_summary.seen IS NOT NULL
      AND kept_summary.rowid
      >= coalesce((SELECT 9000000000000000000 FROM sound WHERE sound.fact = 'stream'), 0)
)
SELECT unnest(list(trial)) AS trial FROM newer;
