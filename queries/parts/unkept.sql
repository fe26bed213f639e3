-- Of which trials are the facts newer than what is kept of them?
-- grain: one row per trial
-- `kept_until` says how far `kept_summary` and `kept_cost` go: to a place in `result` and in
-- `cost`. Rows from there on are newer. Where fewer rows stand before it than did, or another is
-- the last, rows have gone, and nothing that is kept can be relied on. Where a stream or suite has
-- changed, its trials are found. (Through a list, because what comes of one is planned as a few
-- rows, which these nearly always are.)
CREATE OR REPLACE VIEW unkept AS
WITH
mark AS (
    SELECT max(u.place) FILTER (WHERE u.fact = 'result') AS results, max(u.place) FILTER (WHERE u.fact = 'cost') AS costs
    FROM kept_until u
),
now_ AS (
    SELECT 'result' AS fact, (SELECT count(*) FROM result) - (SELECT count(*) FROM result WHERE rowid >= (SELECT m.results FROM mark m)) AS rows,
           (SELECT hash(r) FROM result r WHERE rowid = (SELECT m.results - 1 FROM mark m))::VARCHAR AS seen
    UNION ALL
    SELECT 'cost', (SELECT count(*) FROM cost) - (SELECT count(*) FROM cost WHERE rowid >= (SELECT m.costs FROM mark m)),
           (SELECT hash(c) FROM cost c WHERE rowid = (SELECT m.costs - 1 FROM mark m))::VARCHAR
    UNION ALL
    SELECT 'stream', count(*), bit_xor(s.seen)::VARCHAR FROM stream_seen s
),
sound AS (
    SELECT u.fact, u.place FROM kept_until u JOIN now_ n ON n.fact = u.fact AND n.rows = u.rows AND n.seen IS NOT DISTINCT FROM u.seen
),
newer AS (
    SELECT trial FROM result WHERE rowid >= coalesce((SELECT s.place FROM sound s WHERE s.fact = 'result'), 0)
    UNION
    SELECT trial FROM cost WHERE rowid >= coalesce((SELECT s.place FROM sound s WHERE s.fact = 'cost'), 0)
    UNION
    SELECT k.trial FROM kept_summary k
    WHERE k.rowid >= coalesce((SELECT 9000000000000000000 FROM sound s HAVING count(*) FILTER (WHERE s.fact <> 'stream') = 2), 0)
    UNION
    SELECT k.trial FROM kept_cost k
    WHERE k.rowid >= coalesce((SELECT 9000000000000000000 FROM sound s HAVING count(*) FILTER (WHERE s.fact <> 'stream') = 2), 0)
    UNION
    SELECT k.trial FROM kept_summary k ANTI JOIN stream_seen s ON s.seen = k.seen
    WHERE k.seen IS NOT NULL AND k.rowid >= coalesce((SELECT 9000000000000000000 FROM sound s WHERE s.fact = 'stream'), 0)
)
SELECT unnest(list(trial)) AS trial FROM newer;
