-- Which sentence is best, by a measure of your choice?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) that is wanted
-- Ranked by `measure` (a_ka, a_zs, gm, d_ka, d_zs or zs_ratio; more is better) after the last task
-- among equal backbone, stream and budget. gm is the geometric mean of what was learned and what
-- was kept. By zs_ratio alone whoever learns nothing wins: ka_gain and zs_loss say what a rank
-- costs, and the row `untouched` is the backbone as it was, what doing nothing would have given.
-- mean, low, high: over seeds, 95 % t-interval; that of the best reaches down by its `optimism`.
-- behind: how much the best is ahead, with its interval over `pairs`. verdict: best; tie (it cannot
-- be told from the best); behind; ahead (behind by mean, ahead on the seeds that both have); too
-- few seeds. The chance that any of equally good sentences is called behind is at most 5 %
-- (`compared`), for one look; whoever adds seeds because of a verdict asks with every_look.
-- few_seeds: a mean of fewer than 3. missing: seeds that are wanted and not measured. tuning,
-- objective and merging choose by the parts of a method; a parameter left out means all.
CREATE OR REPLACE MACRO ranked(
    measure VARCHAR := 'gm', backbone VARCHAR := NULL, stream VARCHAR := NULL,
    budget VARCHAR := NULL,
    mixture VARCHAR := NULL, method VARCHAR := NULL, tuning VARCHAR := NULL,
    objective VARCHAR := NULL,
    merging VARCHAR := NULL, recipe VARCHAR := NULL, study VARCHAR := NULL,
    every_look BOOLEAN := FALSE
) AS TABLE
WITH
sought AS (
    SELECT sentence.id, sentence.backbone AS backbone_, sentence.stream AS stream_,
           sentence.budget AS budget_, sentence.mixture AS mixture_, sentence.method AS method_,
           sentence.recipe AS recipe_, sentence.seed
    FROM trial AS sentence
    JOIN method AS parts ON parts.name = sentence.method
    WHERE sentence.id NOT IN (SELECT stage.trial FROM stage WHERE stage.state = 'withdrawn')
      AND (backbone IS NULL OR sentence.backbone = backbone)
      AND (stream IS NULL OR sentence.stream = stream)
      AND (budget IS NULL OR sentence.budget = budget)
      AND (mixture IS NULL OR sentence.mixture = mixture)
      AND (method IS NULL OR sentence.method = method)
      AND (recipe IS NULL OR sentence.recipe = recipe)
      AND (study IS NULL OR sentence.study = study)
      AND (tuning IS NULL OR parts.tuning = tuning)
      AND (merging IS NULL OR parts.merging = merging)
      AND (objective IS NULL OR list_contains(string_split(parts.objective, '+'), objective))
),
valued AS (
    SELECT sought.backbone_ AS of_backbone, sought.stream_ AS of_stream, '*' AS of_mixture,
           '*' AS of_method, '*' AS of_recipe, sought.budget_ AS of_budget,
           {'method': sought.method_, 'mixture': sought.mixture_,
            'recipe': sought.recipe_} AS choice,
           sought.recipe_ AS at_recipe, sought.id AS trial, sought.seed, reached.value,
           reached.resolution, reached.gflops, reached.untouched, reached.d_ka, reached.d_zs
    FROM sought
    LEFT JOIN at_end(measure := measure) AS reached ON reached.trial = sought.id
),
found AS (
    SELECT * FROM compared(trials := 'valued', every_look := every_look)
),
traded AS (
    SELECT of_backbone, of_stream, of_budget, choice, avg(d_ka) AS ka_gain, -avg(d_zs) AS zs_loss
    FROM valued
    GROUP BY of_backbone, of_stream, of_budget, choice
),
untouched AS (
    -- as it was measured here, where it was
    SELECT of_backbone, of_stream, of_budget,
           coalesce(avg(valued.untouched) FILTER (WHERE NOT contains(valued.choice.method, '@')),
                    avg(valued.untouched)) AS mean
    FROM valued
    GROUP BY of_backbone, of_stream, of_budget
)
SELECT found.backbone, found.stream, found.budget,
       CASE WHEN found.mean IS NOT NULL THEN rank() OVER (
           PARTITION BY found.backbone, found.stream, found.budget
           ORDER BY found.mean DESC NULLS LAST) END AS rank,
       found.choice.method AS method, found.choice.mixture AS mixture,
       found.choice.recipe AS recipe,
       found.seeds, found.few_seeds, found.wanted AS seeds_wanted,
       found.wanted - found.seeds AS missing,
       found.mean, found.optimism, found.mean_low AS low, found.mean_high AS high,
       found.pairs, found.look, found.behind, found.behind_low, found.behind_high,
       CASE WHEN found.others = 0 AND found.mean IS NOT NULL THEN 'best'
            ELSE found.verdict END AS verdict,
       traded.ka_gain, traded.zs_loss
FROM found
JOIN traded ON traded.of_backbone = found.backbone AND traded.of_stream = found.stream
           AND traded.of_budget = found.budget AND traded.choice = found.choice
UNION ALL
SELECT untouched.of_backbone, untouched.of_stream, untouched.of_budget, NULL, 'untouched', '-', '-',
       0, false, 0, 0, untouched.mean, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, 'untouched', 0, 0
FROM untouched
WHERE untouched.mean IS NOT NULL
ORDER BY 1, 2, 3, rank NULLS LAST, 5, 6, 7;
