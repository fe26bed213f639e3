-- What did each seed of a combination bring?
-- grain: one row per trial
-- State and reason as in `trial_state`; the measures after the last task of its stream, NULL while
-- it is not there.
CREATE OR REPLACE VIEW seeds AS
SELECT s.backbone, s.stream, s.mixture, s.method, s.recipe, s.budget, s.seed, s.study, s.trial, s.state, s.reason,
       e.a_ka, e.a_zs, e.gm, e.d_ka, e.d_zs, e.zs_ratio, e.spent_flops / 1e9 AS spent_gflops, e.spent_s
FROM trial_state s
LEFT JOIN (SELECT t.* FROM summary t WHERE t.task = t.tasks) e ON e.trial = s.trial
ORDER BY s.backbone, s.stream, s.budget, s.recipe, s.mixture, s.method, s.seed;
