-- Which pairs of methods forget the same test items?
-- grain: one row per (backbone, stream, mixture, recipe, budget, method_a, method_b) with items
-- Of pairs of trials with the same seed, and of a method with itself those of different seeds: what
-- chance alone makes alike. Shares of what either forgot, or mean counts over the pairs: forgotten_a
-- and forgotten_b: items that each forgot; both: that both did. overlap = both / either. expected:
-- how many both would forget if they forgot independently, of the items of a dataset that were right
-- before. alike = (both - expected) / (the fewer of the two - expected): 1 where the one forgot what
-- the other did and no more, 0 where they have nothing to do with each other. before and now are
-- tasks; now left out: the last of the stream. dataset left out: all of the suite.
CREATE OR REPLACE MACRO forget_alike(
    dataset VARCHAR := NULL, stream VARCHAR := NULL, before INTEGER := 0, now INTEGER := NULL
) AS TABLE
WITH
known AS MATERIALIZED (
    SELECT each.trial, each.dataset, each.label_space, each.way, each.item, each.change
    FROM item_changes(before := before, now := now) AS each
    JOIN trial ON trial.id = each.trial
    WHERE each.right_before AND (dataset IS NULL OR each.dataset = dataset)
      AND (stream IS NULL OR trial.stream = stream)
),
of_part AS (
    SELECT known.trial, known.dataset, known.label_space, known.way, count(*) AS known,
           count_if(known.change = 'forgotten') AS lost
    FROM known
    GROUP BY known.trial, known.dataset, known.label_space, known.way
),
pair AS (
    SELECT one.id AS trial_a, other.id AS trial_b, one.backbone AS backbone_,
           one.stream AS stream_, one.mixture, one.recipe, one.budget, one.method AS method_a,
           other.method AS method_b
    FROM trial AS one
    JOIN trial AS other ON other.backbone = one.backbone AND other.stream = one.stream
        AND other.mixture = one.mixture AND other.recipe = one.recipe
        AND other.budget = one.budget
        AND ((one.method < other.method AND one.seed = other.seed)
             OR (one.method = other.method AND one.seed < other.seed))
    WHERE one.id IN (SELECT of_part.trial FROM of_part)
      AND other.id IN (SELECT of_part.trial FROM of_part)
),
alone AS (
    SELECT pair.trial_a, pair.trial_b, sum(a.lost) AS lost_a, sum(b.lost) AS lost_b,
           sum(a.lost * b.lost / greatest(a.known, b.known)) AS expected
    FROM pair
    JOIN of_part AS a ON a.trial = pair.trial_a
    JOIN of_part AS b ON b.trial = pair.trial_b AND b.dataset = a.dataset
        AND b.label_space = a.label_space AND b.way = a.way
    GROUP BY pair.trial_a, pair.trial_b
),
lost_items AS MATERIALIZED (
    SELECT known.trial, known.dataset, known.label_space, known.way, known.item
    FROM known WHERE known.change = 'forgotten'
),
together AS (
    SELECT a.trial AS trial_a, b.trial AS trial_b, count(*) AS both_lost
    FROM lost_items AS a
    JOIN lost_items AS b ON b.dataset = a.dataset AND b.label_space = a.label_space
        AND b.way = a.way AND b.item = a.item AND b.trial <> a.trial
    GROUP BY a.trial, b.trial
),
compared_pairs AS (
    SELECT pair.*, alone.lost_a, alone.lost_b, alone.expected,
           coalesce(together.both_lost, 0) AS both_lost
    FROM pair
    JOIN alone USING (trial_a, trial_b)
    LEFT JOIN together USING (trial_a, trial_b)
)
SELECT backbone_ AS backbone, stream_ AS stream, mixture, recipe, budget, method_a, method_b,
       count(*) AS pairs, avg(lost_a) AS forgotten_a, avg(lost_b) AS forgotten_b,
       avg(both_lost) AS both,
       avg(both_lost / nullif(lost_a + lost_b - both_lost, 0)) AS overlap,
       avg(expected) AS expected,
       avg((both_lost - expected) / nullif(least(lost_a, lost_b) - expected, 0)) AS alike
FROM compared_pairs
GROUP BY backbone_, stream_, mixture, recipe, budget, method_a, method_b
ORDER BY backbone_, stream_, budget, recipe, mixture, alike DESC, method_a, method_b;
