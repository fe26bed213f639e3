-- What would a grid cost in all?
-- grain: one row per grid, of the words as in `grid_cost`
-- hours: worker time of the new trials of which some alike has finished; unknown: new trials
-- without such.
CREATE OR REPLACE MACRO grid_total(
    backbones VARCHAR := NULL, streams VARCHAR := NULL, mixtures VARCHAR := NULL,
    methods VARCHAR := NULL, recipes VARCHAR := NULL,
    budgets VARCHAR := NULL, seeds INTEGER := 3, first_seed INTEGER := 0
) AS TABLE
SELECT count(*) AS combinations, coalesce(sum(found.new), 0)::BIGINT AS new,
       sum(found.hours) AS hours,
       coalesce(sum(found.new) FILTER (WHERE found.seconds IS NULL), 0)::BIGINT AS unknown
FROM grid_cost(backbones := backbones, streams := streams, mixtures := mixtures, methods := methods,
               recipes := recipes,
           budgets := budgets, seeds := seeds, first_seed := first_seed) AS found
HAVING count(*) > 0;
