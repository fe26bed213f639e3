-- What of each stream do the summaries of its trials depend on?
-- grain: one row per stream
-- tasks: how many; *_wanted: members of its suite by role; seen: a number that changes with the
-- stream's tasks and with every member
CREATE OR REPLACE VIEW stream_seen AS
SELECT st.name AS stream, st.tasks, count(*) FILTER (WHERE m.role = 'adapt') AS adapt_wanted,
       count(*) FILTER (WHERE m.role = 'retain') AS retain_wanted,
       (hash(st.name, st.tasks, list(m ORDER BY m.dataset, m.metric, m.label_space)) >> 1)::BIGINT AS seen
FROM stream st LEFT JOIN suite_member m ON m.suite = st.suite
GROUP BY st.name, st.tasks;
