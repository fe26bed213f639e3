-- Which trials are there, what did each reach, and what did people say of it?
-- grain: one row per trial
-- State, reason and measures as in `seeds`. tags: those of the trial and of its study, with commas
-- between them. remarks: what people wrote about the trial and its study, the oldest first.
CREATE OR REPLACE VIEW labelled AS
WITH
labels AS (
    SELECT tag.trial, tag.tag FROM tag WHERE tag.trial > 0
    UNION ALL
    SELECT trial.id AS trial, tag.tag FROM tag JOIN trial ON trial.study = tag.study
),
tagged AS (
    SELECT trial, string_agg(DISTINCT tag, ',' ORDER BY tag) AS tags FROM labels GROUP BY trial
),
comments AS (
    SELECT remark.trial, remark.remark, remark.author, remark.created_at
    FROM remark WHERE remark.trial > 0
    UNION ALL
    SELECT trial.id AS trial, remark.remark, remark.author, remark.created_at
    FROM remark JOIN trial ON trial.study = remark.study
),
remarked AS (
    SELECT trial,
           string_agg(concat_ws(': ', author, remark), ' / '
                      ORDER BY created_at, remark) AS remarks
    FROM comments
    GROUP BY trial
)
SELECT seeds.trial, seeds.state, seeds.study, seeds.backbone, seeds.stream, seeds.mixture,
       seeds.method, seeds.recipe, seeds.budget, seeds.seed, seeds.gm, seeds.a_ka, seeds.a_zs,
       seeds.d_ka, seeds.d_zs, seeds.zs_ratio, seeds.spent_gflops, seeds.spent_s,
       tagged.tags, remarked.remarks, seeds.reason
FROM seeds
LEFT JOIN tagged ON tagged.trial = seeds.trial
LEFT JOIN remarked ON remarked.trial = seeds.trial
ORDER BY seeds.trial;
