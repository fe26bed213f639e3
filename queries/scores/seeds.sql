-- What did each seed of a combination bring?
-- grain: one row per trial
-- State and reason as in `trial_state`; the measures after the last task of its stream, NULL while
-- it is not there.
CREATE OR REPLACE VIEW seeds AS
SELECT trial_state.backbone, trial_state.stream, trial_state.mixture, trial_state.method, trial_state.recipe, trial_state.budget, trial_state.seed, trial_state.study, trial_state.trial, trial_state.state, trial_state.reason,
       e.a_ka, e.a_zs, e.gm, e.d_ka, e.d_zs, e.zs_ratio, e.spent_flops / 1e9 AS spent_gflops, e.spent_s
FROM trial_state
LEFT JOIN (SELECT summary.* FROM summary WHERE summary.task = summary.tasks) e ON e.trial = trial_state.trial
ORDER BY trial_state.backbone, trial_state.stream, trial_state.budget, trial_state.recipe, trial_state.mixture, trial_state.method, trial_state.seed;
