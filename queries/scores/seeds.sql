-- What did each seed of a combination bring?
-- grain: one row per trial
-- State and reason as in `trial_state`; the measures after the last task of its stream, NULL while
-- it is not there.
CREATE OR REPLACE VIEW seeds AS
SELECT trial_state.backbone, trial_state.stream, trial_state.mixture, trial_state.method,
       trial_state.recipe, trial_state.budget, trial_state.seed, trial_state.study,
       trial_state.trial, trial_state.state, trial_state.reason,
       at_end.a_ka, at_end.a_zs, at_end.gm, at_end.d_ka, at_end.d_zs, at_end.zs_ratio,
       at_end.spent_flops / 1e9 AS spent_gflops, at_end.spent_s
FROM trial_state
LEFT JOIN (SELECT summary.* FROM summary WHERE summary.task = summary.tasks) at_end ON at_end.trial
= trial_state.trial
ORDER BY trial_state.backbone, trial_state.stream, trial_state.budget, trial_state.recipe,
         trial_state.mixture, trial_state.method, trial_state.seed;
