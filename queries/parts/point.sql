-- How much was learned and how much kept, after every task?
-- grain: one row per (trial, task) that has results; task 0 is the untouched backbone
-- a_ka (knowledge accumulation): weighted mean of the suite's adapt members; a_zs (zero-shot
-- retention): of its retain members; gm = sqrt(a_ka * a_zs), as FoMo-in-Flux defines them. Deployed
-- weights, whole test sets, end of task. A mean over other members than the suite's, each once,
-- would be another number: it is NULL, and *_measured against *_wanted says why. So would one over
-- several label spaces be. What a suite measures on parts of its test sets between the ends is in
-- `during`.
CREATE OR REPLACE VIEW point AS
SELECT trial, task, attempt, a_ka, a_zs, gm, adapt_measured, adapt_wanted, retain_measured,
       retain_wanted
FROM summary
WHERE tasks IS NOT NULL
ORDER BY trial, task;
