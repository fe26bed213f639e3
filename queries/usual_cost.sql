-- What do finished trials of a kind cost?
-- grain: one row per (backbone, stream, method, recipe, budget) with a finished trial
-- Means over all attempts of finished trials, evaluation included.
CREATE OR REPLACE VIEW usual_cost AS
WITH
spent AS (
    SELECT c.trial, sum(c.seconds) AS seconds, sum(c.flops) AS flops
    FROM cost c
    WHERE c.trial IN (SELECT trial FROM outcome WHERE state = 'done')
    GROUP BY c.trial
)
SELECT t.backbone, t.stream, t.method, t.recipe, t.budget, count(*) AS trials, avg(s.seconds) AS seconds, avg(s.flops) AS flops
FROM spent s JOIN trial t ON t.id = s.trial
GROUP BY t.backbone, t.stream, t.method, t.recipe, t.budget
ORDER BY t.backbone, t.stream, t.method, t.recipe, t.budget;
