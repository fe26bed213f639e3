-- Which trials does an audit look at that cannot look at all?
-- grain: one row per trial
-- Up to 1,000 trials, one after the other, from a place that is drawn anew each time.
CREATE OR REPLACE VIEW neighbours AS
WITH
place AS MATERIALIZED (
    SELECT min(id) + floor(random() * greatest(max(id) - min(id) - 998, 1))::BIGINT AS first
    FROM trial
)
SELECT id AS trial FROM trial WHERE id >= (SELECT place.first FROM place) ORDER BY id LIMIT 1000;
