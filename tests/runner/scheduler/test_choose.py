"""Which attempts a pass starts, and what is refused before there is a job."""

from runner.scheduler.choose import choose
from schema.site import Site
from tests.filled import PAPER, Filled

SUITE = """
INSERT INTO suite (name) VALUES ('later');
INSERT INTO suite_member (suite, dataset, role, metric, weight) VALUES
    ('later', 'birds', 'adapt', 'top1', 1), ('later', 'ships', 'retain', 'top1', 1);
INSERT INTO measurement (trial, suite, tasks) VALUES (1, 'later', 'all');
"""


def test_what_measures_is_looked_up_as_it_ran_and_what_trains_by_its_rows(
    filled: Filled, site: Site
) -> None:
    """Neither can run here, and each is refused for what it alone needs."""
    done, pending = filled.done(PAPER), filled.trial(seed=1)
    filled.connection.execute("DELETE FROM result WHERE dataset = 'ships'")
    filled.connection.execute(SUITE)
    chosen = choose(site, filled.connection, 4, None)
    assert (chosen.pending, chosen.attempts) == (2, 0)
    measures, trains = chosen.refused
    assert (measures.trial, measures.attempt, measures.measures) == (done, 2, "later")
    assert "what trial 1 deployed cannot be found" in measures.message
    assert (trains.trial, trains.attempt, trains.measures) == (pending, 1, None)
    assert "'crow', which dataset 'birds' does not have" in trains.message
