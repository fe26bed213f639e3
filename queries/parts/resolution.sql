-- How small a difference can the test sets of each stream show?
-- grain: one row per stream
-- Half a test item of every member, 1 / (2 * test_pairs), propagated through the weighted mean as
-- errors that are independent. It is a floor of the spread that a comparison believes in: two seeds
-- whose differences are equal have shown that they differ by less than this, not that they do not
-- differ. A dataset that does not say its test_pairs adds nothing.
CREATE OR REPLACE VIEW resolution AS
WITH
step AS (
    SELECT stream.name AS stream, suite_member.role, suite_member.weight,
           coalesce(suite_member.weight / (2 * nullif(dataset.test_pairs, 0)), 0) AS half_item
    FROM stream
    JOIN asked_suite ON asked_suite.stream = stream.name
    JOIN suite_member ON suite_member.suite = asked_suite.suite
    JOIN dataset ON dataset.name = suite_member.dataset
),
of_role AS (
    SELECT step.stream, step.role, sqrt(sum(step.half_item ** 2)) / sum(step.weight) AS resolution
    FROM step
    GROUP BY step.stream, step.role
)
SELECT of_role.stream,
       coalesce(max(of_role.resolution) FILTER (WHERE of_role.role = 'adapt'), 0) AS a_ka,
       coalesce(max(of_role.resolution) FILTER (WHERE of_role.role = 'retain'), 0) AS a_zs
FROM of_role
GROUP BY of_role.stream
ORDER BY of_role.stream;
