-- A practitioner's guide, as FoMo-in-Flux has one (arXiv 2408.14471), asked of the embedded world:
-- which mixture, order, method, schedule, model, budget and size of update? Rules ask all of it.
-- Recipes are searched on validation images alone, with equal budgets of search, then measured with
-- seeds that no search used, and open comparisons get more seeds until they are decided or
-- twelve are spent. The most urgent comes first, so the guide can be read before it is complete.
-- Orders other than the default: apply grids/guide_orders.sql first.
-- Answers: docs/guide.md, which `python -m docpages.guide` writes.

-- The base is that of the demo.
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, priority, study)
VALUES (
    'tiny', 'world_base', 'update_only', 'finetune', 'tiny_pretraining', 'steps_1200', 0, 100,
    'base'
)
ON CONFLICT DO NOTHING;

INSERT INTO backbone (name, architecture, pretrained, note)
SELECT 'tiny_base', b.architecture, 'trial:' || t.id, 'tiny, pretrained on the procedural world'
FROM trial t JOIN backbone b ON b.name = t.backbone
WHERE (t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed)
    = ('tiny', 'world_base', 'update_only', 'finetune', 'tiny_pretraining', 'steps_1200', 0)
ON CONFLICT DO NOTHING;

-- What is measured: the world's sets without its shifts of one set, so that a short trial is not
-- mostly evaluation. Searches look at fewer sets, and at other images.
INSERT INTO suite (name, note) VALUES
('guide', 'five adaptation sets and six retention sets of the world'),
('guide_validation', 'the same adaptation sets and three of retention, other images')
ON CONFLICT DO NOTHING;

INSERT INTO suite_member (suite, dataset, role, metric)
SELECT 'guide', dataset, role, metric FROM suite_member
WHERE suite = 'world' AND NOT starts_with(dataset, 'shape_')
UNION ALL
SELECT 'guide_validation', dataset, role, metric FROM suite_member
WHERE suite = 'world_validation'
  AND (role = 'adapt'
       OR dataset IN ('shape_validation', 'texture_validation', 'compose_validation'))
ON CONFLICT DO NOTHING;

-- Streams. All are tuned on one: the default order in four tasks. Schedules have streams of their
-- own, so that their search does not count among those of methods.
INSERT INTO stream (name, sequence, tasks, suite, note) VALUES
('guide_validation', 'world_random', 4, 'guide_validation', 'where recipes are chosen'),
('guide_schedules_validation', 'world_random', 4, 'guide_validation', 'where schedules are chosen')
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, validation, note) VALUES
('guide', 'world_random', 4, 'guide', 'guide_validation', '40 new concepts in four tasks of ten'),
('guide_schedules', 'world_random', 4, 'guide', 'guide_schedules_validation', 'as guide')
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, validation, note)
SELECT 'guide_t' || tasks, 'world_random', tasks, 'guide', 'guide_validation', 'as guide, cut anew'
FROM (SELECT unnest([1, 2, 8, 20]) AS tasks)
UNION ALL
SELECT sequence.name, sequence.name, 4, 'guide', 'guide_validation', 'as guide, in another order'
FROM sequence WHERE starts_with(sequence.name, 'guide_')
ON CONFLICT DO NOTHING;

-- How much replay, and of what.
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, pretraining_dataset,
    note) VALUES
('guide_little_replay', 0.8, 0.1, 0.1, 'base', 'mostly what is new'),
('guide_much_replay', 0.1, 0.45, 0.45, 'base', 'a tenth of it is new'),
('guide_mostly_buffer', 0.34, 0.56, 0.1, 'base', 'replay of earlier tasks, mostly'),
('guide_mostly_pretraining', 0.34, 0.1, 0.56, 'base', 'replay of the pretraining pool, mostly')
ON CONFLICT DO NOTHING;

-- Penalties whose importance is measured on as many pairs as a short trial can pay for.
INSERT INTO method (name, objective, objective_params, note) VALUES
('guide_ewc', 'contrastive+ewc', '{"ewc": {"weight": 100, "decay": 1, "fisher_pairs": 256}}',
 'ewc_tiny with a Fisher of 256 pairs'),
('guide_mas', 'contrastive+mas',
 '{"mas": {"weight": 0.1, "alpha": 0.5, "importance_pairs": 256}}',
 'mas with an importance of 256 pairs')
ON CONFLICT DO NOTHING;

INSERT INTO budget (name, unit, total, note) VALUES
('guide_25', 'steps', 25, 'the first rung of a search'),
('guide_100', 'steps', 100, 'the budget of the guide: 25 steps a task'),
('guide_50', 'steps', 50, 'half of it'),
('guide_200', 'steps', 200, 'twice of it')
ON CONFLICT DO NOTHING;

-- Recipes: batches of 64, and five rates, of which every method tries each.
INSERT INTO recipe BY NAME
SELECT recipe.* REPLACE (format('guide_lr_{:.2e}', rate.lr) AS name, rate.lr AS lr,
                         64 AS batch_pairs)
FROM recipe, (SELECT unnest([4e-4, 8e-4, 1.6e-3, 6.4e-3, 1.28e-2]) AS lr) AS rate
WHERE recipe.name = 'tiny_lr_1e-3'
ON CONFLICT DO NOTHING;

-- Three rates for each schedule within and over tasks: 8e-4, 1.6e-3 and 3.2e-3.
INSERT INTO recipe BY NAME
SELECT base.* REPLACE (concat('guide_', coalesce(base.schedule, ''), '_at_', rate.lr) AS name,
                       rate.lr::DOUBLE AS lr, 64 AS batch_pairs)
FROM recipe AS base, (SELECT unnest(['8e-4', '1.6e-3', '3.2e-3']) AS lr) AS rate
WHERE base.name IN ('tiny_lr_1e-3', 'tiny_constant', 'tiny_wsd', 'tiny_rsqrt',
                    'tiny_cosine_autoregressive', 'tiny_cosine_dynamic',
                    'tiny_rsqrt_autoregressive', 'tiny_rsqrt_continued')
ON CONFLICT DO NOTHING;

-- Half as wide, and towers of a single layer, beside those of the vocabulary that are twice as wide
-- and twice as deep. Each is pretrained as the default is.
INSERT INTO backbone (name, architecture, note)
SELECT 'guide_' || size, json_merge_patch(architecture, changed), 'tiny with ' || about
FROM backbone, (VALUES
    ('narrow', '{"vision_cfg": {"width": 48, "head_width": 16}, "text_cfg": {"width": 32}}',
     'towers half as wide'),
    ('shallow', '{"vision_cfg": {"layers": 1}, "text_cfg": {"layers": 1}}', 'towers of one layer')
) AS sizes(size, changed, about)
WHERE backbone.name = 'tiny'
ON CONFLICT DO NOTHING;

INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, priority, study)
SELECT backbone, 'world_base', 'update_only', 'finetune', 'tiny_pretraining', 'steps_1200', 0,
       priority, 'guide bases'
FROM (VALUES ('guide_narrow', 62), ('guide_shallow', 58), ('tiny_w2', 14), ('tiny_d2', 12))
    AS sizes(backbone, priority)
ON CONFLICT DO NOTHING;

INSERT INTO backbone (name, architecture, pretrained, note)
SELECT replace(b.name, 'tiny_', 'guide_') || '_base', b.architecture, 'trial:' || t.id,
       b.name || ', pretrained on the procedural world'
FROM trial t JOIN backbone b ON b.name = t.backbone
WHERE t.study = 'guide bases'
ON CONFLICT DO NOTHING;

-- What is expected, said before.
INSERT INTO study (name, hypothesis) VALUES
('guide', 'the published findings of FoMo-in-Flux hold in a tiny world, too'),
('guide search', 'a quarter of the steps is enough to leave out the two worst of five rates'),
('guide decisions', 'twelve seeds decide what three leave open'),
('guide schedules', 'a peak that falls over tasks keeps more of zero-shot accuracy'),
('guide full sweep', 'halving chooses what the full sweep chooses')
ON CONFLICT DO NOTHING;

-- Searches: each of these, by each of five rates. A setting with a higher priority is searched,
-- measured and decided before the others begin.
INSERT INTO rule (name, query, most_trials, note) VALUES
('guide search', $$
    SELECT setting.backbone, 'guide_validation' AS stream, setting.mixture, setting.method,
           recipe.name AS recipe, 'guide_25' AS budget, 0 AS seed, setting.priority,
           'guide search' AS study
    FROM (
        SELECT 'tiny_base' AS backbone, 'replay_thirds' AS mixture, unnest([
            'finetune', 'ema_merge', 'ft_merge', 'zs_merge', 'zs_merge_all', 'lora_r8', 'guide_ewc',
            'lnfit'
        ]) AS method, 90 AS priority
        UNION ALL
        SELECT 'tiny_base', unnest([
            'update_only', 'buffer_half', 'pretraining_half', 'guide_little_replay',
            'guide_much_replay', 'guide_mostly_buffer', 'guide_mostly_pretraining'
        ]), 'finetune', 80
        UNION ALL
        -- Those that train what others train, and merge otherwise, cost little
        SELECT 'tiny_base', 'replay_thirds', unnest([
            'ties_ft', 'slerp_ft', 'ft_merge_all', 'magmax', 'ties_all', 'model_stock',
            'task_arithmetic_all', 'opcm', 'ties_ema'
        ]), 61
        UNION ALL
        SELECT 'tiny_base', 'replay_thirds', unnest([
            'locked_image', 'locked_text', 'bitfit', 'zscl', 'lwf', 'si', 'l2_init', 'derpp'
        ]), 60
        UNION ALL
        SELECT 'tiny_base', 'replay_thirds', unnest([
            'dora_r4', 'galore', 'inflora', 'hft', 'der', 'mod_x', 'fpf', 'paint', 'keeplora',
            'guide_mas', 'osf', 'lora_r64', 'slerp_ema', 'breadcrumbs_ties_ema'
        ]), 36
        UNION ALL
        SELECT name, 'replay_thirds', 'finetune',
               CASE name WHEN 'guide_narrow_base' THEN 61 WHEN 'guide_shallow_base' THEN 58
                         ELSE 10 END
        FROM backbone WHERE starts_with(name, 'guide_') AND pretrained IS NOT NULL
    ) AS setting, recipe
    WHERE starts_with(recipe.name, 'guide_lr_')
    ORDER BY setting.priority DESC, setting.method, setting.mixture, recipe.lr $$, 300,
 'the first rung: five rates each'),
('guide halving', $$
    SELECT next.*, first_.priority + 1 AS priority
    FROM halving(study := 'guide search', rungs := 'guide_25,guide_100', keep := 0.6) AS next
    JOIN trial AS first_ USING (backbone, stream, mixture, method, recipe, seed)
    WHERE first_.budget = 'guide_25' $$, 160, 'the three better rates of each'),
-- Then each at the rate that was chosen, with three seeds that no search used.
('guide', $$
    SELECT one.* REPLACE ('guide' AS study), searched.priority + 2 AS priority
    FROM tuned(seeds := 3, study := 'guide search') AS one
    JOIN (SELECT backbone, mixture, method, max(priority) AS priority
          FROM trial WHERE study = 'guide search' GROUP BY ALL) AS searched
        USING (backbone, mixture, method)
    WHERE one.budget = 'guide_100' AND one.stream = 'guide' $$, 200, 'three seeds of each'),
('guide orders and tasks', $$
    SELECT one.* REPLACE ('guide' AS study),
           CASE WHEN stream.tasks = 4 THEN 70 ELSE 66 END AS priority
    FROM tuned(seeds := 3, study := 'guide search') AS one
    JOIN stream ON stream.name = one.stream
    WHERE one.budget = 'guide_100' AND one.stream <> 'guide' AND one.backbone = 'tiny_base'
      AND one.mixture = 'replay_thirds' AND one.method IN ('finetune', 'ema_merge') $$, 60,
 'streams in other orders, and cut into fewer or more tasks'),
('guide budgets', $$
    SELECT one.* REPLACE ('guide' AS study, other.budget AS budget),
           CASE one.backbone WHEN 'tiny_base' THEN 62 ELSE 40 END AS priority
    FROM tuned(seeds := 3, study := 'guide search') AS one,
         (SELECT unnest(['guide_50', 'guide_200']) AS budget) AS other
    WHERE one.budget = 'guide_100' AND one.stream = 'guide' AND one.mixture = 'replay_thirds'
      AND ((one.backbone = 'tiny_base' AND one.method IN ('finetune', 'ema_merge'))
           OR one.method = 'finetune') $$, 36,
 'half and twice the steps, at the rate that was chosen for the whole'),
-- Schedules: one search of three rates at the full budget for each, then the best of each.
('guide schedules search', $$
    SELECT 'tiny_base' AS backbone, 'guide_schedules_validation' AS stream,
           'replay_thirds' AS mixture, 'finetune' AS method, name AS recipe, 'guide_100' AS budget,
           0 AS seed, 64 AS priority, 'guide schedules search' AS study
    FROM recipe WHERE starts_with(name, 'guide_') AND contains(name, '_at_') ORDER BY name $$, 24,
 'three rates of each schedule'),
('guide schedules', $$
    SELECT searched.backbone, 'guide_schedules' AS stream, searched.mixture, searched.method,
           arg_max(searched.recipe, (ended.value, searched.recipe)) AS recipe, searched.budget,
           unnest([1, 2, 3]) AS seed, 65 AS priority, 'guide schedules' AS study
    FROM trial AS searched
    JOIN recipe ON recipe.name = searched.recipe
    LEFT JOIN at_end(measure := 'gm') AS ended ON ended.trial = searched.id
    JOIN stage ON stage.trial = searched.id
    WHERE searched.study = 'guide schedules search'
    GROUP BY searched.backbone, searched.mixture, searched.method, searched.budget, recipe.schedule
    HAVING count(ended.value) > 0
       AND NOT bool_or(stage.state IN ('pending', 'waiting', 'submitting', 'running')) $$, 24,
 'each schedule at its best rate, three seeds'),
-- What the published findings compare gets seeds until it is decided, or twelve are spent.
('guide decide ema', $$
    SELECT one.* REPLACE ('guide decisions' AS study), 50 AS priority
    FROM decided(a := 'finetune', b := 'ema_merge', most_seeds := 12, recipes := 'chosen') AS one
    WHERE stream = 'guide' AND mixture = 'replay_thirds' AND budget = 'guide_100' $$, 24, NULL),
('guide decide offline', $$
    SELECT one.* REPLACE ('guide decisions' AS study), 49 AS priority
    FROM decided(a := 'ema_merge', b := 'zs_merge_all', most_seeds := 12,
                 recipes := 'chosen') AS one
    WHERE stream = 'guide' AND mixture = 'replay_thirds' AND budget = 'guide_100' $$, 24, NULL),
('guide decide lora', $$
    SELECT one.* REPLACE ('guide decisions' AS study), 48 AS priority
    FROM decided(a := 'finetune', b := 'lora_r8', measure := 'a_zs', most_seeds := 12,
                 recipes := 'chosen') AS one
    WHERE stream = 'guide' AND mixture = 'replay_thirds' AND budget = 'guide_100' $$, 24, NULL),
('guide decide ewc', $$
    SELECT one.* REPLACE ('guide decisions' AS study), 47 AS priority
    FROM decided(a := 'finetune', b := 'guide_ewc', measure := 'a_zs', most_seeds := 12,
                 recipes := 'chosen') AS one
    WHERE stream = 'guide' AND mixture = 'replay_thirds' AND budget = 'guide_100' $$, 24, NULL),
('guide decide mixtures', $$
    WITH judged AS (
        FROM effect(axis := 'mixture', recipes := 'chosen', every_look := TRUE)
        WHERE backbone = 'tiny_base' AND stream = 'guide' AND budget = 'guide_100'
          AND method = 'finetune')
    SELECT backbone, stream, choice AS mixture, method, at_recipe AS recipe, budget, seed,
           45 AS priority, 'guide decisions' AS study
    FROM judged, range(4, 7) AS more(seed)
    WHERE verdict IN ('best', 'tie') AND EXISTS (FROM judged WHERE verdict = 'tie') $$, 24, NULL),
-- Findings on two choices of another word, or of methods that no rule above decides. Not `effect`
-- along orders, which would take the stream of schedules for the default one.
('guide decide findings', $$
    WITH finding(axis, better, worse, stream, method, margin) AS (
        VALUES ('mixture', 'buffer_half', 'pretraining_half', 'guide', 'finetune', 0.0),
               ('ordering', 'guide_easy_first', 'guide_hard_first', 'any', 'finetune', 0.03),
               ('ordering', 'world_random', 'guide_set_by_set', 'any', 'finetune', 0.03),
               ('method', 'ema_merge', 'zs_merge', 'guide', NULL, 0.0),
               ('method', 'ema_merge', 'ties_ema', 'guide', NULL, 0.03),
               ('schedule', 'rsqrt_autoregressive', 'cosine', 'guide_schedules', 'finetune', 0.0),
               ('budget', 'guide_200', 'guide_100', 'guide', 'finetune', 0.03),
               ('budget', 'guide_200', 'guide_100', 'guide', 'ema_merge', 0.0),
               ('backbone', 'tiny_base', 'guide_narrow_base', 'guide', 'finetune', 0.0),
               ('backbone', 'tiny_base', 'guide_shallow_base', 'guide', 'finetune', 0.0)),
    reached AS (
        SELECT finding.* EXCLUDE (stream), ended.* EXCLUDE (method), ended.method AS of,
               CASE axis WHEN 'mixture' THEN mixture WHEN 'method' THEN ended.method
                         WHEN 'ordering' THEN stream.sequence WHEN 'schedule' THEN schedule
                         WHEN 'budget' THEN budget ELSE backbone END AS choice
        FROM finding
        JOIN at_end(measure := 'gm') AS ended
            ON finding.stream IN (ended.stream, 'any')
        JOIN stream ON stream.name = ended.stream
        JOIN recipe ON recipe.name = ended.recipe
        WHERE starts_with(ended.study, 'guide') AND ended.value IS NOT NULL
          -- Streams that differ in their order alone, without that of schedules
          AND (axis = 'schedule' OR stream.validation = 'guide_validation' AND stream.tasks = 4)
          AND (axis = 'backbone' OR backbone = 'tiny_base')
          AND (axis = 'mixture' OR mixture = 'replay_thirds')
          AND (axis = 'budget' OR budget = 'guide_100')
          AND (axis = 'method' OR ended.method = finding.method)),
    asked AS (
        SELECT choice, concat_ws(' ', axis, better, worse, method) AS of_backbone,
               '*' AS of_stream, '*' AS of_mixture, '*' AS of_method, '*' AS of_recipe,
               '*' AS of_budget, recipe AS at_recipe, * EXCLUDE (choice)
        FROM reached WHERE choice IN (better, worse)),
    -- Open: not told apart, or, where both should be alike within a margin, neither that nor not
    open_ AS (
        SELECT one.backbone AS of_backbone, (3 * 2 ** max(one.look))::BIGINT AS seeds
        FROM compared(trials := 'asked', every_look := TRUE) AS one
        JOIN (SELECT DISTINCT of_backbone, margin FROM asked) AS own
            ON own.of_backbone = one.backbone
        WHERE one.verdict IN ('tie', 'behind', 'ahead')
          AND one.behind_low <= own.margin AND one.behind_high >= -own.margin
          AND (one.behind_low <= -own.margin OR one.behind_high >= own.margin)
        GROUP BY one.backbone),
    SELECT DISTINCT backbone, stream, mixture, of AS method, recipe, budget,
           unnest(range(1, open_.seeds + 1)) AS seed, 44 AS priority,
           'guide decisions' AS study
    FROM asked JOIN open_ USING (of_backbone)
    WHERE open_.seeds <= 12 $$, 90, NULL),
-- Last, what halving left out: the other rates of ten methods at the full budget.
('guide full sweep', $$
    SELECT * REPLACE ('guide_100' AS budget, 5 AS priority, 'guide full sweep' AS study)
    FROM (SELECT backbone, stream, mixture, method, recipe, budget, seed, priority, study
          FROM trial WHERE study = 'guide search' AND budget = 'guide_25')
    WHERE backbone = 'tiny_base' AND mixture = 'replay_thirds'
      AND method IN ('finetune', 'ema_merge', 'ft_merge', 'zs_merge', 'lora_r8', 'guide_ewc',
                     'bitfit', 'locked_image', 'locked_text', 'lwf')
      -- Not before halving has said which three it runs itself
      AND method IN (SELECT method FROM trial
                     WHERE study = 'guide search' AND budget = 'guide_100'
                       AND backbone = 'tiny_base' AND mixture = 'replay_thirds'
                     GROUP BY method HAVING count(*) = 3) $$, 20,
 'the benchmark of halving')
ON CONFLICT DO NOTHING;
