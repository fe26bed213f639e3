"""Files of queries/ read as questions: the form, the parameters, and the message for each mistake."""

from pathlib import Path

import pytest

from schema.questions import Parameter, QuestionError, parsed

TEXT = """\
-- What is there?
-- grain: one row per thing
-- A thing is
-- what it is.
CREATE OR REPLACE MACRO things(name VARCHAR := 'a', seeds INTEGER := 3, least DOUBLE := -0.5,
    whole BOOLEAN := TRUE, half BOOLEAN := FALSE, other VARCHAR := NULL) AS TABLE
SELECT 1;
-- What is not there?
"""
PATH = Path("queries/work/things.sql")


def test_every_part_of_a_file_is_read() -> None:
    question = parsed(PATH, TEXT)
    assert (question.name, question.topic, question.kind) == ("things", "work", "macro")
    assert (question.question, question.grain) == ("What is there?", "one row per thing")
    assert question.about == "A thing is what it is."
    assert question.parameters == {
        "name": Parameter("VARCHAR", "a"),
        "seeds": Parameter("INTEGER", 3),
        "least": Parameter("DOUBLE", -0.5),
        "whole": Parameter("BOOLEAN", True),
        "half": Parameter("BOOLEAN", False),
        "other": Parameter("VARCHAR", None),
    }
    assert (question.file, question.is_audit) == ("queries/work/things.sql", False)
    assert type(question.parameters["seeds"].default) is int


def test_a_view_has_no_parameters_and_need_not_say_more() -> None:
    text = "-- What?\n-- grain: one row per thing\nCREATE OR REPLACE VIEW bad AS SELECT 1;\n"
    question = parsed(Path("queries/audits/bad.sql"), text)
    assert (question.kind, question.parameters, question.about) == ("view", {}, "")
    assert question.is_audit


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        (
            PATH,
            "-- What is there?\n",
            "-- There it is.\n",
            "things.sql is not a question. The first",
        ),
        (PATH, "-- grain: one row per thing\n", "", "is not a question"),
        (PATH, "CREATE OR REPLACE MACRO", "CREATE MACRO", "is not a question"),
        (Path("queries/work/other.sql"), "", "", "creates things; .* it must create other"),
        (Path("queries/wark/things.sql"), "", "", "unknown topic 'wark'.*'work'"),
        (PATH, "seeds INTEGER := 3", "seeds INTEGER", "cannot read the parameter `seeds INTEGER`"),
    ],
)
def test_what_is_no_question(path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        parsed(path, TEXT.replace(old, new, 1))
