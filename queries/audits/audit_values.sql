-- Which values cannot be true? (No rows is good.)
-- grain: one row per result or cost that breaks a rule, and the rule
-- DuckDB sorts NaN above every number, so `> 1` finds it too.
CREATE OR REPLACE VIEW audit_values AS
WITH
broken AS (
    SELECT 'result' AS fact, trial, attempt, task, dataset || ' ' || metric AS what, value,
           'value must be in [0, 1]' AS rule
    FROM result WHERE value < 0 OR value > 1
    UNION ALL
    SELECT 'result', trial, attempt, task, dataset || ' ' || metric, fraction,
           'fraction must be in (0, 1]'
    FROM result WHERE fraction <= 0 OR fraction > 1
    UNION ALL
    SELECT 'result', trial, attempt, task, dataset || ' ' || metric, examples,
           'examples must be above 0'
    FROM result WHERE examples <= 0
    UNION ALL
    SELECT 'result', trial, attempt, task, weights, NULL, 'weights must be deployed, last or merged'
    FROM result WHERE weights NOT IN ('deployed', 'last', 'merged')
    UNION ALL
    SELECT 'cost', trial, attempt, task, phase, flops, 'flops must be at least 0 and finite'
    FROM cost WHERE flops < 0 OR NOT isfinite(flops)
    UNION ALL
    SELECT 'cost', trial, attempt, task, phase, seconds, 'seconds must be at least 0 and finite'
    FROM cost WHERE seconds < 0 OR NOT isfinite(seconds)
)
SELECT * FROM broken ORDER BY fact, trial, attempt, task, what, rule;
