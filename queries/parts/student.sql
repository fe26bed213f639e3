-- How wide is a 95 % interval over so few seeds?
-- grain: one row per degrees of freedom, 1 ... 1000 (seeds - 1)
-- t = t(.975, df): a mean is known to -/+ t * s / sqrt(seeds). From 31 on three terms of its
-- expansion around the normal quantile, good to 5 decimals.
CREATE OR REPLACE VIEW student AS
WITH
printed AS (
    SELECT generate_subscripts(t, 1) AS df, unnest(t) AS t
    FROM (SELECT [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                  2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                  2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042] AS t)
)
SELECT n.df::BIGINT AS df,
       coalesce(printed.t, 1.959964 + 2.372271 / n.df + 2.822499 / n.df ** 2 + 2.555851
                / n.df ** 3) AS t
FROM range(1, 1001) n(df) LEFT JOIN printed USING (df)
ORDER BY n.df;
