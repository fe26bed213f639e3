-- What did each study expect, and was that said before its trials were there?
-- grain: one row per study that has a row of its own
-- trials: of this study; trials_before: those that were inserted before the hypothesis was
-- declared; said_first: none was. A hypothesis that came after its trials may have been read off
-- them.
CREATE OR REPLACE VIEW hypotheses AS
SELECT study.name AS study, study.hypothesis, study.declared_at, count(trial.id) AS trials,
       count(trial.id) FILTER (WHERE stage.state = 'done') AS done,
       min(trial.created_at) AS first_trial_at,
       count(trial.id) FILTER (WHERE trial.created_at < study.declared_at) AS trials_before,
       count(trial.id) FILTER (WHERE trial.created_at < study.declared_at) = 0 AS said_first
FROM study
LEFT JOIN trial ON trial.study = study.name
LEFT JOIN stage ON stage.trial = trial.id
GROUP BY study.name, study.hypothesis, study.declared_at
ORDER BY study.name;
