-- What does an image cost at inference, and who reaches most for it?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) at the end of its stream
-- image_gflops, text_gflops: of one image and one text, counted as the encoder that the last task
-- deployed takes them, all members of an ensemble; image_ratio: over the untouched backbone. a_ka,
-- a_zs: means over seeds after the last task. pareto: among equal backbone and stream no row has at
-- most these image_gflops, at least this a_ka and at least this a_zs, and is better in one of the
-- three.
CREATE OR REPLACE VIEW inference AS
WITH
counted AS (
    SELECT trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget,
           avg(statistic.value) FILTER (WHERE statistic.part = 'image'
                                          AND statistic.task = stream.tasks) / 1e9 AS image_gflops,
           avg(statistic.value) FILTER (WHERE statistic.part = 'text'
                                          AND statistic.task = stream.tasks) / 1e9 AS text_gflops,
           avg(statistic.value) FILTER (WHERE statistic.part = 'image'
                                          AND statistic.task = 0) / 1e9 AS untouched_gflops
    FROM statistic
    JOIN trial ON trial.id = statistic.trial
    JOIN stream ON stream.name = trial.stream
    WHERE statistic.name = 'inference_flops'
    GROUP BY ALL
),
reached AS (
    SELECT cells.backbone, cells.stream, cells.mixture, cells.method, cells.recipe, cells.budget,
           cells.a_ka_seeds AS seeds, cells.a_ka_seeds < 3 AS few_seeds,
           counted.image_gflops, counted.text_gflops,
           counted.image_gflops / counted.untouched_gflops AS image_ratio, cells.a_ka, cells.a_zs
    FROM cells
    JOIN counted ON counted.backbone = cells.backbone AND counted.stream = cells.stream
                AND counted.mixture = cells.mixture AND counted.method = cells.method
                AND counted.recipe = cells.recipe AND counted.budget = cells.budget
    WHERE counted.image_gflops IS NOT NULL AND cells.a_ka IS NOT NULL AND cells.a_zs IS NOT NULL
)
SELECT reached.*, NOT EXISTS (
           SELECT 1
           FROM reached AS other
           WHERE other.backbone = reached.backbone AND other.stream = reached.stream
             AND other.image_gflops <= reached.image_gflops
             AND other.a_ka >= reached.a_ka AND other.a_zs >= reached.a_zs
             AND (other.image_gflops < reached.image_gflops OR other.a_ka > reached.a_ka
                  OR other.a_zs > reached.a_zs)) AS pareto
FROM reached
ORDER BY reached.backbone, reached.stream, reached.image_gflops, reached.a_ka DESC,
         reached.method, reached.mixture, reached.recipe, reached.budget;
