-- Which attempt holds for each task?
-- grain: one row per (trial, task) that has results
-- The newest attempt that has results of the task. `step` is the last at which it measured: the end
-- of the task.
CREATE OR REPLACE VIEW standing AS
SELECT trial, task, attempt, step FROM summary;
