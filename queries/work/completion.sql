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
SELECT coalesce(left_.study, '(none)') AS study, sum(left_.pending)::BIGINT AS pending,
       sum(left_.running)::BIGINT AS running,
       (count(*) - count(left_.seconds)) AS unknown, sum(left_.seconds) AS remaining_s,
       now() + to_seconds(sum(left_.seconds) / any_value(side_by_side.trials)) AS expected_end
FROM left_ CROSS JOIN side_by_side
GROUP BY coalesce(left_.study, '(none)')
ORDER BY 1;
