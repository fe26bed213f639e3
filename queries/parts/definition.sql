-- What exactly does each trial run?
-- grain: one row per trial whose backbone is known
-- A `trial:<id>` that is not done yet has no definition.
-- The resolved definition, as it goes into spec.json: every row that the sentence names, and
-- nothing that cannot change a number.
CREATE OR REPLACE VIEW definition AS
WITH RECURSIVE
dataset_definition AS (
    SELECT name, to_json(
                         {name: name, format: format, location: location, params: params,
                          kind: kind,
                          classes: classes, templates: templates}) AS definition
    FROM dataset
),
sequence_definition AS (
    SELECT sequence.name,
           to_json({name: sequence.name, ordering: any_value(sequence.ordering),
                    seed: any_value(sequence.seed),
                            concepts: list([sequence_concept.dataset, sequence_concept.concept]
                                           ORDER BY sequence_concept.position)}) AS definition
    FROM sequence JOIN sequence_concept ON sequence_concept.sequence = sequence.name
    GROUP BY sequence.name
),
suite_whole AS (
    -- a suite that is measured whole after every task says nothing of it, as before there were
    -- others
    SELECT name, CASE WHEN subset < 1 THEN to_json({name: name, subset: subset, members: members})
                      ELSE to_json({name: name, members: members}) END AS definition
    FROM suite JOIN (
        SELECT suite AS name,
               list({dataset: dataset, role: role, metric: metric, weight: weight,
                     label_space: label_space}
                                   ORDER BY role, dataset, metric, label_space) AS members
        FROM suite_member
        GROUP BY suite
    ) USING (name)
),
suite_definition AS (
    -- nor does one that keeps no items
    SELECT suite_whole.name,
           CASE WHEN suite.items
                THEN json_merge_patch(suite_whole.definition, '{"items": true}'::JSON)
                ELSE suite_whole.definition END AS definition
    FROM suite_whole JOIN suite ON suite.name = suite_whole.name
),
stream_dataset AS (
    SELECT stream.name AS stream, sequence_concept.dataset FROM stream
    JOIN sequence_concept ON sequence_concept.sequence = stream.sequence
    UNION
    SELECT stream.name, suite_member.dataset FROM stream
    JOIN suite_member ON suite_member.suite = stream.suite
),
stream_datasets AS (
    SELECT stream, list(dataset_definition.definition ORDER BY dataset_definition.name) AS datasets
    FROM stream_dataset JOIN dataset_definition ON dataset_definition.name = stream_dataset.dataset
    GROUP BY stream
),
stream_definition AS (
    SELECT stream.name, to_json(
                                {name: stream.name, tasks: stream.tasks,
                                 sequence: sequence_definition.definition,
                                 suite: suite_definition.definition,
                                 datasets: stream_datasets.datasets}) AS definition
    FROM stream
    JOIN sequence_definition ON sequence_definition.name = stream.sequence
    JOIN suite_definition ON suite_definition.name = stream.suite
    JOIN stream_datasets ON stream_datasets.stream = stream.name
),
mixture_definition AS (
    -- what is NULL, or held out of nothing, is left out: definitions from before there was any stay
    -- what they were
    SELECT mixture.name,
           json_merge_patch(to_json(
                                    {name: mixture.name, update_share: update_share,
                                     buffer_share: buffer_share,
           pretraining_share: pretraining_share,
                            pretraining_dataset: dataset_definition.definition,
                            buffer_pairs: buffer_pairs, selection: selection,
                            selection_params: selection_params,
                            buffer_dataset: distilled.definition}),
                            json_object('buffer_policy', buffer_policy, 'mixing', mixing,
                                        'mixing_params', nullif(mixing_params, '{}'::JSON),
                                        'held_out_share', nullif(held_out_share, 0)),
                            -- not in what is patched in, which would lose what is NULL of its row
                            CASE WHEN distilled.name IS NULL THEN '{"buffer_dataset": null}'
                                 ELSE '{}' END::JSON) AS definition
    FROM mixture
    LEFT JOIN dataset_definition AS distilled ON distilled.name = mixture.buffer_dataset
    LEFT JOIN dataset_definition ON dataset_definition.name = mixture.pretraining_dataset
),
method_definition AS (
    -- an ensemble is left out where there is none: definitions from before there were any stay what
    -- they were
    SELECT method.name, CASE WHEN method.ensemble IS NULL THEN plain.definition
                             ELSE json_merge_patch(plain.definition,
                                                   json_object('ensemble', method.ensemble,
                                                               'ensemble_params',
                                                               method.ensemble_params))
                             END AS definition
    FROM method
    JOIN (SELECT name, to_json(
                               {name: name, tuning: tuning, tuning_params: tuning_params,
                                objective: objective, objective_params: objective_params,
                                merging: merging, merging_params: merging_params, start: "start",
                                deploy: deploy, repair: repair,
                                repair_params: repair_params}) AS definition
          FROM method) AS plain USING (name)
),
recipe_definition AS (
    -- how a step is computed is left out where nothing is said of it: definitions from before it
    -- could be said stay what they were
    SELECT name, json_merge_patch(
                                  to_json({name: name, optimizer: optimizer,
                                           optimizer_params: optimizer_params, lr: lr,
                          weight_decay: weight_decay, clip_norm: clip_norm,
                          batch_pairs: batch_pairs, precision: "precision",
                          schedule: schedule, schedule_params: schedule_params,
                          augmentation_params: augmentation_params}),
                          json_object('compute_params',
                                      nullif(compute_params, '{}'::JSON))) AS definition
    FROM recipe
),
budget_definition AS (
    -- costs that are counted are left out: the worker counts them
    SELECT name, json_merge_patch(
               to_json({name: name, unit: unit, total: total, charging: charging}),
               json_object('costs', nullif(costs, 'counted'))) AS definition
    FROM budget
),
published_definition AS (
    SELECT published_cost.backbone, published_cost.batch_pairs, published_cost.method,
           to_json({step_gflops: published_cost.step_gflops,
                    multiplier: published_cost.multiplier}) AS costs
    FROM published_cost
),
parent AS (
    -- the definition that a `trial:<id>` backbone was made by: the newest attempt that is done
    SELECT outcome.trial, arg_max(attempt.spec_id, attempt.attempt) AS spec_id
    FROM outcome JOIN attempt USING (trial, attempt)
    WHERE outcome.state = 'done' AND attempt.measures IS NULL
      AND outcome.trial IN (SELECT try_cast(substr(pretrained, 7) AS BIGINT) FROM backbone
                            WHERE pretrained LIKE 'trial:%')
    GROUP BY outcome.trial
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
    -- how images are prepared, where that is not as for OpenAI's CLIP. Of its own tag a trial reads
    -- mean and std in open_clip, as it always did; a child of a trial has no tag, and is told here.
    SELECT lineage.name,
           json_merge_patch(
               CASE WHEN tag.preprocessing IS NULL THEN '{}'::JSON
                    WHEN lineage.depth > 0 THEN tag.preprocessing
                    ELSE json_merge_patch(tag.preprocessing,
                                          '{"mean": null, "std": null}'::JSON) END,
               lineage.preprocessing) AS preprocessing
    FROM lineage
    LEFT JOIN pretrained_tag tag ON tag.architecture = lineage.architecture
        AND tag.tag = lineage.pretrained
    WHERE lineage.pretrained IS NULL OR lineage.pretrained NOT LIKE 'trial:%'
),
backbone_definition AS (
    -- what is not said of images is left out: definitions from before it could be said stay what
    -- they were
    SELECT backbone.name, json_merge_patch(
        to_json({name: backbone.name, architecture: architecture, pretrained: pretrained,
                 parent: parent.spec_id}),
        json_object('preprocessing', nullif(images.preprocessing, '{}'::JSON))) AS definition
    FROM backbone
    LEFT JOIN images ON images.name = backbone.name
    LEFT JOIN parent ON pretrained LIKE 'trial:%'
        AND parent.trial = try_cast(substr(pretrained, 7) AS BIGINT)
    WHERE pretrained IS NULL OR pretrained NOT LIKE 'trial:%' OR parent.spec_id IS NOT NULL
)
SELECT trial.id AS trial,
       to_json({version: 1, backbone: backbone_definition.definition,
                stream: stream_definition.definition, mixture: mixture_definition.definition,
                method: method_definition.definition,
                recipe: recipe_definition.definition,
                budget: CASE budget_definition.definition ->> 'costs'
                        WHEN 'published'
                        THEN json_merge_patch(budget_definition.definition,
                                 json_object('published', published_definition.costs))
                        ELSE budget_definition.definition END,
                seed: trial.seed}) AS spec
FROM trial
JOIN backbone_definition ON backbone_definition.name = trial.backbone
JOIN stream_definition ON stream_definition.name = trial.stream
JOIN mixture_definition ON mixture_definition.name = trial.mixture
JOIN method_definition ON method_definition.name = trial.method
JOIN recipe_definition ON recipe_definition.name = trial.recipe
JOIN budget_definition ON budget_definition.name = trial.budget
JOIN recipe ON recipe.name = trial.recipe
LEFT JOIN published_definition ON published_definition.backbone = trial.backbone
    AND published_definition.batch_pairs = recipe.batch_pairs
    AND published_definition.method = trial.method;
