-- The practitioner's guide on FoMo-in-Flux itself (arXiv 2408.14471): what grids/guide.sql asks of
-- the embedded world, asked of ViT-B/16 over 20 tasks at the published budget. Apply
-- grids/import_stream.sql and grids/fomo_validation.sql first: recipes are chosen on stream
-- fomo_validation, and until it is there nothing is declared. `sync --dry-run` says what each rule
-- would add and what that costs. Rules stop at most_trials, so begin with the first, and raise it.

-- Choices for every stream of the suite are made on one.
UPDATE stream SET validation = 'fomo_validation'
WHERE suite = 'fomo_in_flux' AND name <> 'fomo_random_1_t1'
  AND 'fomo_validation' IN (SELECT name FROM stream);

-- Schedules have streams of their own, so that their search does not count among those of methods.
INSERT INTO stream BY NAME
SELECT * REPLACE ('guide_fomo_schedules_validation' AS name, 'where schedules are chosen' AS note)
FROM stream WHERE name = 'fomo_validation'
ON CONFLICT DO NOTHING;

INSERT INTO stream BY NAME
SELECT * REPLACE ('guide_fomo_schedules' AS name,
                  'guide_fomo_schedules_validation' AS validation, 'for schedules' AS note)
FROM stream
WHERE name = 'fomo_random_1_t20' AND 'fomo_validation' IN (SELECT name FROM stream)
ON CONFLICT DO NOTHING;

INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, pretraining_dataset,
    note) VALUES
('guide_fomo_update_only', 1, 0, 0, NULL, 'only what is new'),
('guide_fomo_buffer', 0.5, 0.5, 0, NULL, 'half of it from earlier tasks'),
('guide_fomo_pretraining', 0.5, 0, 0.5, 'laion400m', 'half of it from the pretraining pool'),
('guide_fomo_little', 0.8, 0.1, 0.1, 'laion400m', 'mostly what is new'),
('guide_fomo_much', 0.1, 0.45, 0.45, 'laion400m', 'a tenth of it is new'),
('guide_fomo_mostly_buffer', 0.34, 0.56, 0.1, 'laion400m', 'replay of earlier tasks, mostly'),
('guide_fomo_mostly_pretraining', 0.34, 0.1, 0.56, 'laion400m',
 'replay of the pretraining pool, mostly')
ON CONFLICT DO NOTHING;

INSERT INTO budget (name, unit, total, charging, note) VALUES
('guide_fomo_quarter', 'maf_gflops', 4.5e8, 'once', 'the first rung of a search'),
('guide_fomo_half', 'maf_gflops', 9e8, 'once', 'half of the published budget'),
('guide_fomo_twice', 'maf_gflops', 3.6e9, 'once', 'twice the published budget')
ON CONFLICT DO NOTHING;

-- The published recipe at five rates, and each published schedule at three.
INSERT INTO recipe BY NAME
SELECT recipe.* REPLACE (format('guide_fomo_lr_{:.0e}', rate.lr) AS name, rate.lr AS lr)
FROM recipe, (SELECT unnest([3e-6, 1e-5, 3e-5, 1e-4, 3e-4]) AS lr) AS rate
WHERE recipe.name = 'fomo_cosine'
ON CONFLICT DO NOTHING;

INSERT INTO recipe BY NAME
SELECT recipe.* REPLACE (format('guide_{}_at_{:.0e}', recipe.name, rate.lr) AS name,
                         rate.lr AS lr)
FROM recipe, (SELECT unnest([3e-6, 1e-5, 3e-5]) AS lr) AS rate
WHERE recipe.name IN ('fomo_cosine', 'fomo_cosine_autoregressive', 'fomo_cosine_dynamic',
                      'fomo_rsqrt', 'fomo_rsqrt_autoregressive', 'fomo_rsqrt_continued',
                      'fomo_rsqrt_recovered')
ON CONFLICT DO NOTHING;

INSERT INTO study (name, hypothesis) VALUES
('guide fomo', 'the published findings hold with every method tuned alike'),
('guide fomo schedules', 'a peak that falls over tasks keeps more of zero-shot accuracy')
ON CONFLICT DO NOTHING;

INSERT INTO rule (name, query, most_trials, note) VALUES
('guide fomo search', $$
    SELECT setting.backbone, stream.name AS stream, setting.mixture, setting.method,
           recipe.name AS recipe, 'guide_fomo_quarter' AS budget, 0 AS seed, setting.priority,
           'guide fomo search' AS study
    FROM (
        SELECT 'vit_b16_laion2b' AS backbone, 'fomo_thirds_laion400m' AS mixture, unnest([
            'finetune', 'ema_merge', 'ft_merge', 'zs_merge', 'zs_merge_all', 'lora_r4', 'ewc',
            'lnfit'
        ]) AS method, 90 AS priority
        UNION ALL
        SELECT 'vit_b16_laion2b', unnest([
            'guide_fomo_update_only', 'guide_fomo_buffer', 'guide_fomo_pretraining',
            'guide_fomo_little', 'guide_fomo_much', 'guide_fomo_mostly_buffer',
            'guide_fomo_mostly_pretraining', 'fomo_thirds_datacomp_small'
        ]), 'finetune', 80
        UNION ALL
        SELECT 'vit_b16_laion2b', 'fomo_thirds_laion400m', unnest([
            'ties_ema', 'ties_ft', 'ties_all', 'slerp_ft', 'ft_merge_all', 'magmax', 'model_stock',
            'task_arithmetic_all', 'opcm', 'locked_image', 'locked_text', 'bitfit', 'zscl', 'lwf',
            'si', 'l2_init', 'derpp', 'lora_r64', 'dora_r4', 'vera_r4', 'galore', 'inflora', 'hft',
            'der', 'mod_x', 'fpf', 'paint', 'keeplora', 'mas', 'osf', 'slerp_ema',
            'breadcrumbs_ties_ema'
        ]), 60
        UNION ALL
        SELECT unnest(['vit_s16_datacomp', 'vit_b32_laion2b', 'vit_l14_laion2b']),
               'fomo_thirds_laion400m', 'finetune', 40
    ) AS setting, recipe, stream
    WHERE starts_with(recipe.name, 'guide_fomo_lr_') AND stream.name = 'fomo_validation'
    ORDER BY setting.priority DESC, setting.method, setting.mixture, recipe.lr $$, 300,
 'the first rung: five rates each'),
('guide fomo halving', $$
    SELECT next.*, first_.priority + 1 AS priority
    FROM halving(study := 'guide fomo search', rungs := 'guide_fomo_quarter,fomo_once',
                 keep := 0.6) AS next
    JOIN trial AS first_ USING (backbone, stream, mixture, method, recipe, seed)
    WHERE first_.budget = 'guide_fomo_quarter' $$, 160, 'the three better rates of each'),
('guide fomo', $$
    SELECT one.* REPLACE ('guide fomo' AS study), searched.priority + 2 AS priority
    FROM tuned(seeds := 3, study := 'guide fomo search') AS one
    JOIN (SELECT backbone, mixture, method, max(priority) AS priority
          FROM trial WHERE study = 'guide fomo search' GROUP BY ALL) AS searched
        USING (backbone, mixture, method)
    WHERE one.budget = 'fomo_once' AND one.stream = 'fomo_random_1_t20' $$, 180,
 'three seeds of each'),
('guide fomo orders and tasks', $$
    SELECT one.* REPLACE ('guide fomo' AS study),
           CASE WHEN stream.tasks = 20 THEN 70 ELSE 66 END AS priority
    FROM tuned(seeds := 3, study := 'guide fomo search') AS one
    JOIN stream ON stream.name = one.stream
    WHERE one.budget = 'fomo_once' AND one.backbone = 'vit_b16_laion2b'
      AND one.mixture = 'fomo_thirds_laion400m' AND one.method IN ('finetune', 'ema_merge')
      AND (starts_with(one.stream, 'fomo_random_1_t')
           OR regexp_matches(one.stream, '^fomo_[a-z]+_1(_reverse)?_t20$')) $$, 100,
 'the published orders and numbers of tasks'),
('guide fomo budgets', $$
    SELECT one.* REPLACE ('guide fomo' AS study, other.budget AS budget), 62 AS priority
    FROM tuned(seeds := 3, study := 'guide fomo search') AS one,
         (SELECT unnest(['guide_fomo_half', 'guide_fomo_twice']) AS budget) AS other
    WHERE one.budget = 'fomo_once' AND one.stream = 'fomo_random_1_t20'
      AND one.mixture = 'fomo_thirds_laion400m' AND one.method IN ('finetune', 'ema_merge') $$, 36,
 'half and twice the budget, at the rate that was chosen for the whole'),
('guide fomo schedules search', $$
    SELECT 'vit_b16_laion2b' AS backbone, stream.name AS stream,
           'fomo_thirds_laion400m' AS mixture, 'finetune' AS method, recipe.name AS recipe,
           'fomo_once' AS budget, 0 AS seed, 64 AS priority,
           'guide fomo schedules search' AS study
    FROM recipe, stream
    WHERE starts_with(recipe.name, 'guide_fomo_') AND contains(recipe.name, '_at_')
      AND stream.name = 'guide_fomo_schedules_validation' ORDER BY recipe.name $$, 21,
 'three rates of each schedule'),
('guide fomo schedules', $$
    SELECT searched.backbone, 'guide_fomo_schedules' AS stream, searched.mixture, searched.method,
           arg_max(searched.recipe, (ended.value, searched.recipe)) AS recipe, searched.budget,
           unnest([1, 2, 3]) AS seed, 65 AS priority, 'guide fomo schedules' AS study
    FROM trial AS searched
    JOIN recipe ON recipe.name = searched.recipe
    LEFT JOIN at_end(measure := 'gm') AS ended ON ended.trial = searched.id
    JOIN stage ON stage.trial = searched.id
    WHERE searched.study = 'guide fomo schedules search'
    GROUP BY searched.backbone, searched.mixture, searched.method, searched.budget, recipe.schedule
    HAVING count(ended.value) > 0
       AND NOT bool_or(stage.state IN ('pending', 'waiting', 'submitting', 'running')) $$, 21,
 'each schedule at its best rate, three seeds'),
('guide fomo decide ema', $$
    SELECT one.* REPLACE ('guide fomo decisions' AS study), 50 AS priority
    FROM decided(a := 'finetune', b := 'ema_merge', most_seeds := 12, recipes := 'chosen') AS one
    WHERE stream = 'fomo_random_1_t20' AND budget = 'fomo_once'
      AND mixture = 'fomo_thirds_laion400m' $$, 24, NULL),
('guide fomo decide offline', $$
    SELECT one.* REPLACE ('guide fomo decisions' AS study), 49 AS priority
    FROM decided(a := 'ema_merge', b := 'zs_merge_all', most_seeds := 12,
                 recipes := 'chosen') AS one
    WHERE stream = 'fomo_random_1_t20' AND budget = 'fomo_once'
      AND mixture = 'fomo_thirds_laion400m' $$, 24, NULL),
('guide fomo decide lora', $$
    SELECT one.* REPLACE ('guide fomo decisions' AS study), 48 AS priority
    FROM decided(a := 'finetune', b := 'lora_r4', measure := 'a_zs', most_seeds := 12,
                 recipes := 'chosen') AS one
    WHERE stream = 'fomo_random_1_t20' AND budget = 'fomo_once'
      AND mixture = 'fomo_thirds_laion400m' $$, 24, NULL),
('guide fomo decide mixtures', $$
    WITH judged AS (
        FROM effect(axis := 'mixture', recipes := 'chosen', every_look := TRUE)
        WHERE backbone = 'vit_b16_laion2b' AND stream = 'fomo_random_1_t20'
          AND budget = 'fomo_once' AND method = 'finetune')
    SELECT backbone, stream, choice AS mixture, method, at_recipe AS recipe, budget, seed,
           45 AS priority, 'guide fomo decisions' AS study
    FROM judged, range(4, 7) AS more(seed)
    WHERE verdict IN ('best', 'tie') AND EXISTS (FROM judged WHERE verdict = 'tie') $$, 27, NULL)
ON CONFLICT DO NOTHING;
