-- When will each study be done?
-- grain: one row per study with trials that run or may start now
-- remaining_s: worker seconds of what is pending (`forecast`) and half of what those running
-- usually take; unknown: pending trials of which none alike has finished, which are not in it.
-- expected_end: if as many go on running side by side as run now, over all studies; NULL: nothing
-- runs, or nothing is known.
CREATE OR REPLACE VIEW completion AS
WITH
now_running AS MATERIALIZED (
    FROM running
),
left_ AS (
    SELECT study, 1 AS pending, 0 AS running, seconds FROM forecast
    UNION ALL
    SELECT study, 0, 1, expected_s / 2 FROM now_running
),
side_by_side AS (
    SELECT nullif(count(*), 0) AS trials FROM now_running
)
SELECT coalesce(l.study, '(none)') AS study, sum(l.pending)::BIGINT AS pending, sum(l.running)::BIGINT AS running,
       (count(*) - count(l.seconds)) AS unknown, sum(l.seconds) AS remaining_s,
       now() + to_seconds(sum(l.seconds) / any_value(s.trials)) AS expected_end
FROM left_ l CROSS JOIN side_by_side s
GROUP BY coalesce(l.study, '(none)')
ORDER BY 1;
