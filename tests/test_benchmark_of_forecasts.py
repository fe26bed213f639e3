"""Forecasts of a grid that ran, as if most of it had not."""

import statistics

import pytest

from benchmarks import forecasts
from docpages.kept import EXAMPLES


def test_a_forecast_from_first_trials_is_compared_with_what_the_rest_took() -> None:
    """A kind's mean for each of its trials that are left, by hand; the catalog stays as it was."""
    connection = EXAMPLES["demo"].catalog()
    kinds = [trials for (trials,) in connection.execute(forecasts.KINDS, ["demo"]).fetchall()]
    seconds = dict(connection.execute("SELECT trial, seconds FROM finished").fetchall())
    finished = [trial for trials in kinds for trial in trials[:1]] + kinds[0][1:2]
    rest = [trial for trials in kinds for trial in trials if trial not in finished]
    told = forecasts.forecast(connection, rest)
    expected = 0.0
    for trials in kinds:
        mean = statistics.fmean(seconds[trial] for trial in trials if trial in finished)
        expected += mean * sum(trial in rest for trial in trials)
    assert told.expected == pytest.approx(expected / 3600)
    assert told.real == pytest.approx(sum(seconds[trial] for trial in rest) / 3600)
    assert told.interval is not None and told.covers == (
        abs(told.expected - told.real) <= told.interval * told.expected
    )
    # One kind finished twice, so a single degree of freedom tells the spread: 12.7 in place of 1.96
    spread = statistics.stdev(seconds[trial] for trial in kinds[0][:2])
    spread *= 12.706 / statistics.fmean(seconds[trial] for trial in kinds[0][:2])
    squares = 0.0
    for trials in kinds:
        known, left = (sum(trial in some for trial in trials) for some in (finished, rest))
        mean = statistics.fmean(seconds[trial] for trial in trials if trial in finished)
        squares += (left * spread * mean) ** 2 / known + left * (spread * mean) ** 2
    assert told.interval * expected == pytest.approx(squares**0.5, rel=1e-4)
    assert connection.execute("SELECT count(*) FROM finished").fetchone() == (len(seconds),)


def test_what_cannot_be_forecast_is_said() -> None:
    """A kind of which nothing has finished; the catalog stays as it was."""
    connection = EXAMPLES["demo"].catalog()
    whole_kind = connection.execute(forecasts.KINDS, ["demo"]).fetchall()[0][0]
    with pytest.raises(ValueError, match=r"0 trials were forecast, of 3: each kind of these needs"):
        forecasts.forecast(connection, whole_kind)
    assert connection.execute("SELECT count(*) FROM finished").fetchone() == (19,)


def test_at_least_one_draw(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks.forecasts", "--rounds", "0"])
    with pytest.raises(SystemExit):
        forecasts.main()
    assert "--rounds 0: at least one draw is needed" in capsys.readouterr().err
