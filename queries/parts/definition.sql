-- What exactly does each trial run?
-- grain: one row per trial whose backbone is known (a `trial:<id>` that is not done yet has no definition)
-- The resolved definition, as it goes into spec.json: every row that the sentence names, and nothing that cannot change a number.
CREATE OR REPLACE VIEW definition AS
WITH RECURSIVE
dataset_definition AS (
    SELECT name, to_json({name: name, format: format, location: location, params: params, kind: kind,
                          classes: classes, templates: templates}) AS definition
    FROM dataset
),
sequence_definition AS (
    SELECT s.name, to_json({name: s.name, ordering: any_value(s.ordering), seed: any_value(s.seed),
                            concepts: list([c.dataset, c.concept] ORDER BY c.position)}) AS definition
    FROM sequence s JOIN sequence_concept c ON c.sequence = s.name
    GROUP BY s.name
),
suite_definition AS (
    -- a suite that is measured whole after every task says nothing of it, as before there were others
    SELECT name, CASE WHEN subset < 1 THEN to_json({name: name, subset: subset, members: members})
                      ELSE to_json({name: name, members: members}) END AS definition
    FROM suite JOIN (
        SELECT suite AS name, list({dataset: dataset, role: role, metric: metric, weight: weight, label_space: label_space}
                                   ORDER BY role, dataset, metric, label_space) AS members
        FROM suite_member
        GROUP BY suite
    ) USING (name)
),
stream_dataset AS (
    SELECT st.name AS stream, c.dataset FROM stream st JOIN sequence_concept c ON c.sequence = st.sequence
    UNION
    SELECT st.name, m.dataset FROM stream st JOIN suite_member m ON m.suite = st.suite
),
stream_datasets AS (
    SELECT stream, list(d.definition ORDER BY d.name) AS datasets
    FROM stream_dataset sd JOIN dataset_definition d ON d.name = sd.dataset
    GROUP BY stream
),
stream_definition AS (
    SELECT st.name, to_json({name: st.name, tasks: st.tasks, sequence: q.definition, suite: u.definition, datasets: sd.datasets}) AS definition
    FROM stream st
    JOIN sequence_definition q ON q.name = st.sequence
    JOIN suite_definition u ON u.name = st.suite
    JOIN stream_datasets sd ON sd.stream = st.name
),
mixture_definition AS (
    -- a policy that is NULL is left out: definitions from before there were policies stay what they were
    SELECT m.name, json_merge_patch(to_json({name: m.name, update_share: update_share, buffer_share: buffer_share,
           pretraining_share: pretraining_share,
                            pretraining_dataset: d.definition, buffer_pairs: buffer_pairs, selection: selection,
                            selection_params: selection_params}), json_object('buffer_policy', buffer_policy)) AS definition
    FROM mixture m LEFT JOIN dataset_definition d ON d.name = m.pretraining_dataset
),
method_definition AS (
    SELECT name, to_json({name: name, tuning: tuning, tuning_params: tuning_params, objective: objective, objective_params: objective_params,
                          merging: merging, merging_params: merging_params, start: "start", deploy: deploy, repair: repair,
                          repair_params: repair_params}) AS definition
    FROM method
),
recipe_definition AS (
    -- how a step is computed is left out where nothing is said of it: definitions from before it could be said stay what they were
    SELECT name, json_merge_patch(to_json({name: name, optimizer: optimizer, optimizer_params: optimizer_params, lr: lr,
                          weight_decay: weight_decay, clip_norm: clip_norm, batch_pairs: batch_pairs, precision: "precision",
                          schedule: schedule, schedule_params: schedule_params, augmentation_params: augmentation_params}),
                          json_object('compute_params', nullif(compute_params, '{}'::JSON))) AS definition
    FROM recipe
),
budget_definition AS (
    SELECT name, to_json({name: name, unit: unit, total: total, charging: charging}) AS definition FROM budget
),
parent AS (
    -- the definition that a `trial:<id>` backbone was made by: the newest attempt that is done
    SELECT o.trial, arg_max(a.spec_id, a.attempt) AS spec_id
    FROM outcome o JOIN attempt a USING (trial, attempt)
    WHERE o.state = 'done' AND o.trial IN (SELECT try_cast(substr(pretrained, 7) AS BIGINT) FROM backbone WHERE pretrained LIKE 'trial:%')
    GROUP BY o.trial
),
lineage AS (
    -- from a backbone to what its chain of trials began with; a chain that bites its tail is cut
    SELECT name, architecture, pretrained, preprocessing, 0 AS depth FROM backbone
    UNION ALL
    SELECT younger.name, older.architecture, older.pretrained,
           json_merge_patch(older.preprocessing, younger.preprocessing), younger.depth + 1
    FROM lineage younger
    JOIN trial ON trial.id = try_cast(substr(younger.pretrained, 7) AS BIGINT)
    JOIN backbone older ON older.name = trial.backbone
    WHERE younger.pretrained LIKE 'trial:%' AND younger.depth < 64
),
images AS (
    -- how images are prepared, where that is not as for OpenAI's CLIP. Of its own tag a trial reads mean
    -- and std in open_clip, as it always did; a child of a trial has no tag, and is told here.
    SELECT lineage.name,
           json_merge_patch(
               CASE WHEN tag.preprocessing IS NULL THEN '{}'::JSON
                    WHEN lineage.depth > 0 THEN tag.preprocessing
                    ELSE json_merge_patch(tag.preprocessing, '{"mean": null, "std": null}'::JSON) END,
               lineage.preprocessing) AS preprocessing
    FROM lineage
    LEFT JOIN pretrained_tag tag ON tag.architecture = lineage.architecture AND tag.tag = lineage.pretrained
    WHERE lineage.pretrained IS NULL OR lineage.pretrained NOT LIKE 'trial:%'
),
backbone_definition AS (
    -- what is not said of images is left out: definitions from before it could be said stay what they were
    SELECT b.name, json_merge_patch(
        to_json({name: b.name, architecture: architecture, pretrained: pretrained, parent: p.spec_id}),
        json_object('preprocessing', nullif(images.preprocessing, '{}'::JSON))) AS definition
    FROM backbone b
    LEFT JOIN images ON images.name = b.name
    LEFT JOIN parent p ON pretrained LIKE 'trial:%' AND p.trial = try_cast(substr(pretrained, 7) AS BIGINT)
    WHERE pretrained IS NULL OR pretrained NOT LIKE 'trial:%' OR p.spec_id IS NOT NULL
)
SELECT t.id AS trial,
       to_json({version: 1, backbone: b.definition, stream: s.definition, mixture: mi.definition, method: me.definition,
                recipe: r.definition, budget: bu.definition, seed: t.seed}) AS spec
FROM trial t
JOIN backbone_definition b ON b.name = t.backbone
JOIN stream_definition s ON s.name = t.stream
JOIN mixture_definition mi ON mi.name = t.mixture
JOIN method_definition me ON me.name = t.method
JOIN recipe_definition r ON r.name = t.recipe
JOIN budget_definition bu ON bu.name = t.budget;
