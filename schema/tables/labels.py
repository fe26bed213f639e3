"""The tables of what people say of trials and studies: `tag`, a word, and `remark`, a sentence.

Neither changes what runs or what an answer says; both are shown beside it, and can be filtered by.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger
from sqlmodel import SQLModel

from schema.tables.columns import column, constraint, created_at

ABOUT = "about one of the two: a trial above 0, or a study that is named"


class Tag(SQLModel, table=True):
    """A word that somebody put on a trial or a study. DELETE takes it off again."""

    __table_args__ = (
        constraint("tag_about", "(trial > 0) != (study <> '')", f"a tag must be {ABOUT}"),
        constraint(
            "tag_word",
            "tag <> '' AND NOT contains(tag, ',') AND trim(tag) = tag",
            "a tag must be a word or several, without commas and without spaces around it",
        ),
    )
    trial: int = column("the trial's id; 0: it is about a study", BigInteger, key=True, default="0")
    study: str = column("as in trial.study; '': it is about a trial", key=True, default="''")
    tag: str = column("the word", key=True)
    created_at: datetime = created_at()


class Remark(SQLModel, table=True):
    """A sentence that somebody wrote about a trial or a study."""

    __table_args__ = (
        constraint("remark_about", "(trial > 0) != (study <> '')", f"a remark must be {ABOUT}"),
        constraint("remark_text", "trim(remark) <> ''", "a remark must have words"),
    )
    __mapper_args__: ClassVar[dict[str, Any]] = {"primary_key": ["trial", "study", "created_at"]}
    trial: int = column("the trial's id; 0: it is about a study", BigInteger, default="0")
    study: str = column("as in trial.study; '': it is about a trial", default="''")
    remark: str = column("what they wrote")
    author: str | None = column("who wrote it", nullable=True)
    created_at: datetime = created_at()
