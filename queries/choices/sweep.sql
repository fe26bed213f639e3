-- Which recipes cover a range of learning rates and weight decays evenly?
-- grain: one row per (name), the recipes that are drawn
-- The recipe `base` with other numbers, as rows for the table `recipe`: INSERT INTO recipe BY NAME
-- FROM sweep(...) ON CONFLICT DO NOTHING. Both are drawn on a logarithmic scale by a Halton
-- sequence (van der Corput's in bases 2 and 3), so that any first draws cover the range evenly and
-- more draws keep those that there are. Numbers are rounded to three digits, and the name says
-- them. A range that is left out keeps what `base` has; without any there is nothing to draw. A
-- range has both ends, above 0, the lower one first.
CREATE OR REPLACE MACRO sweep(
    base VARCHAR := 'tiny_lr_1e-3', draws INTEGER := 8, lr_low DOUBLE := NULL,
    lr_high DOUBLE := NULL, decay_low DOUBLE := NULL, decay_high DOUBLE := NULL
) AS TABLE
WITH
point_ AS (
    -- the digits of the number of a draw, mirrored behind the point
    SELECT number.draw,
           list_sum([((number.draw // (2 ** digit)::BIGINT) % 2) / 2 ** (digit + 1)
                     FOR digit IN range(0, 20)]) AS of_lr,
           list_sum([((number.draw // (3 ** digit)::BIGINT) % 3) / 3 ** (digit + 1)
                     FOR digit IN range(0, 13)]) AS of_decay
    -- refused here: an argument is computed even where there would be no row
    FROM range(1, 1 + CASE
        WHEN draws < 1 THEN error('draws must be at least 1, not ' || draws)::INTEGER
        WHEN (lr_low IS NULL) <> (lr_high IS NULL)
          OR NOT coalesce(0 < lr_low AND lr_low <= lr_high, TRUE)
        THEN error(concat('lr_low and lr_high are a range above 0, not ',
                          coalesce(lr_low::VARCHAR, 'NULL'), ' to ',
                          coalesce(lr_high::VARCHAR, 'NULL')))::INTEGER
        WHEN (decay_low IS NULL) <> (decay_high IS NULL)
          OR NOT coalesce(0 < decay_low AND decay_low <= decay_high, TRUE)
        THEN error(concat('decay_low and decay_high are a range above 0, not ',
                          coalesce(decay_low::VARCHAR, 'NULL'), ' to ',
                          coalesce(decay_high::VARCHAR, 'NULL')))::INTEGER
        ELSE draws END) AS number(draw)
),
drawn AS (
    SELECT recipe.*, point_.draw,
           format('{:.2e}', lr_low * (lr_high / lr_low) ** point_.of_lr) AS drawn_lr,
           format('{:.2e}', decay_low * (decay_high / decay_low) ** point_.of_decay) AS drawn_decay
    FROM recipe
    CROSS JOIN point_
    WHERE recipe.name = base
)
SELECT drawn.* EXCLUDE (draw, drawn_lr, drawn_decay) REPLACE (
           concat(base, '_lr_' || drawn.drawn_lr, '_decay_' || drawn.drawn_decay) AS name,
           coalesce(drawn.drawn_lr::DOUBLE, drawn.lr) AS lr,
           coalesce(drawn.drawn_decay::DOUBLE, drawn.weight_decay) AS weight_decay,
           concat('draw ', drawn.draw, ' of a sweep around ', base) AS note)
FROM drawn
WHERE drawn.drawn_lr IS NOT NULL OR drawn.drawn_decay IS NOT NULL
ORDER BY drawn.draw;
