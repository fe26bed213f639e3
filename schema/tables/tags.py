"""What open_clip's pretrained tags say of their images, for the half that cannot ask open_clip."""

from typing import Any

from sqlmodel import SQLModel

from schema.tables.columns import column, json_columns, params


class PretrainedTag(SQLModel, table=True):
    """A pretrained tag of open_clip whose images are prepared otherwise than those of OpenAI's CLIP.

    The rows are written from open_clip (schema/rows/pretrained_tags.sql) and compared with it by a
    test. A trial that begins with what another has deployed needs them: its row names no tag.
    """

    __tablename__ = "pretrained_tag"
    __table_args__ = json_columns("pretrained_tag", "OBJECT", "preprocessing")
    architecture: str = column("a model name of open_clip", key=True)
    tag: str = column("a tag of its pretrained weights", key=True)
    preprocessing: dict[str, Any] = params("the keys of backbone.preprocessing that differ")
