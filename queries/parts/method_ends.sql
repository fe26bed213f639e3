-- What did each trial come to, beside the other methods of its setting?
-- grain: one row per trial at the end of its stream
-- The geometric mean, as `compared` reads it: the words that are compared say '*', and choice says
-- which.
CREATE OR REPLACE VIEW method_ends AS
SELECT ended.backbone AS of_backbone, ended.stream AS of_stream, ended.mixture AS of_mixture,
       '*' AS of_method, ended.recipe AS of_recipe, ended.budget AS of_budget,
       ended.method AS choice,
       ended.recipe AS at_recipe, ended.trial, ended.seed, ended.value,
       ended.resolution, ended.gflops
FROM at_end() AS ended;
