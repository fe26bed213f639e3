-- Which published points have both an accumulation and a retention?
-- grain: one row per (source, setting) of reference_result with a_ka and a_zs
-- To be drawn beside ours, marked by provenance; backbone and stream are words of the setting,
-- NULL: it does not name one.
CREATE OR REPLACE VIEW published AS
SELECT reference_result.source, reference_result.setting,
       min(reference_result.provenance) AS provenance,
       CASE
            WHEN json_valid(reference_result.setting)
            THEN reference_result.setting::JSON ->> 'backbone' END AS backbone,
       CASE
            WHEN json_valid(reference_result.setting)
            THEN reference_result.setting::JSON ->> 'stream' END AS stream,
       max(reference_result.value) FILTER (WHERE reference_result.metric = 'a_ka') AS a_ka,
       max(reference_result.value) FILTER (WHERE reference_result.metric = 'a_zs') AS a_zs,
       any_value(reference_result.url) AS url
FROM reference_result
WHERE reference_result.metric IN ('a_ka', 'a_zs')
GROUP BY reference_result.source, reference_result.setting
HAVING count(DISTINCT reference_result.metric) = 2
ORDER BY 1, 2;
