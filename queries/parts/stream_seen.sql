-- What of each stream do the summaries of its trials depend on?
-- grain: one row per stream
-- tasks: how many; *_wanted: members of its suite by role; seen: a number that changes with the
-- stream's tasks and with every member
CREATE OR REPLACE VIEW stream_seen AS
SELECT stream.name AS stream, stream.tasks,
       count(*) FILTER (WHERE suite_member.role = 'adapt') AS adapt_wanted,
       count(*) FILTER (WHERE suite_member.role = 'retain') AS retain_wanted,
       (hash(stream.name, stream.tasks,
             list(suite_member ORDER BY suite_member.dataset, suite_member.metric,
                  suite_member.label_space)) >> 1)::BIGINT AS seen
FROM stream LEFT JOIN suite_member ON suite_member.suite = stream.suite
GROUP BY stream.name, stream.tasks;
