-- What did papers publish, as accumulation and retention, or as Transfer, Average and Last?
-- grain: one row per (source, setting) of reference_result with a_ka and a_zs, or one of the others
-- transfer, acc_all and acc_final are what papers on MTIL and X-TAIL call Transfer, Average and
-- Last. provenance: seen in the authors' own text, compared in another paper's, told by texts about
-- it, derived from what was read; of several, the first by the alphabet. method is the setting's
-- method, or the system that no row here reproduces; backbone and stream are words of the setting.
-- NULL: it does not name one. What else a setting says (shots, candidates) is in it.
CREATE OR REPLACE VIEW published AS
WITH said AS (
    SELECT source, setting, metric, value, provenance, url,
           CASE WHEN json_valid(setting) THEN setting::JSON END AS words
    FROM reference_result
    WHERE metric IN ('a_ka', 'a_zs', 'transfer', 'acc_all', 'acc_final')
)
SELECT source, setting, min(provenance) AS provenance,
       any_value(coalesce(words ->> 'method', words ->> 'system')) AS method,
       any_value(words ->> 'backbone') AS backbone,
       any_value(words ->> 'stream') AS stream,
       max(value) FILTER (WHERE metric = 'a_ka') AS a_ka,
       max(value) FILTER (WHERE metric = 'a_zs') AS a_zs,
       max(value) FILTER (WHERE metric = 'transfer') AS transfer,
       max(value) FILTER (WHERE metric = 'acc_all') AS acc_all,
       max(value) FILTER (WHERE metric = 'acc_final') AS acc_final,
       any_value(url) AS url
FROM said
WHERE (words ->> 'dataset') IS NULL
GROUP BY source, setting
HAVING (a_ka IS NOT NULL AND a_zs IS NOT NULL)
    OR coalesce(transfer, acc_all, acc_final) IS NOT NULL
ORDER BY 1, 2;
