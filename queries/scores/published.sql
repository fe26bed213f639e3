-- Which published points have both an accumulation and a retention?
-- grain: one row per (source, setting) of reference_result with a_ka and a_zs
-- To be drawn beside ours, marked by provenance; backbone and stream are words of the setting,
-- NULL: it does not name one.
CREATE OR REPLACE VIEW published AS
SELECT r.source, r.setting, min(r.provenance) AS provenance,
       CASE WHEN json_valid(r.setting) THEN r.setting::JSON ->> 'backbone' END AS backbone,
       CASE WHEN json_valid(r.setting) THEN r.setting::JSON ->> 'stream' END AS stream,
       max(r.value) FILTER (WHERE r.metric = 'a_ka') AS a_ka, max(r.value) FILTER (WHERE r.metric = 'a_zs') AS a_zs, any_value(r.url) AS url
FROM reference_result r
WHERE r.metric IN ('a_ka', 'a_zs')
GROUP BY r.source, r.setting
HAVING count(DISTINCT r.metric) = 2
ORDER BY 1, 2;
