"""Serve the questions as tools to an agent, by standard input and output: `python -m queries mcp`.

The Model Context Protocol (https://modelcontextprotocol.io), by the package `mcp`, which the extra
`weir[mcp]` installs. A tool is a question; its result is the document that `--json` prints, with at
most as many rows as are asked for. Every call opens the newest published snapshot read-only, so an
agent can ask and cannot declare, run or write anything.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from queries import AskError, answer, named, opened, programs, questions
from queries.asking import asked_of
from queries.closed import closed
from queries.describe import meanings
from schema.questions import Parameter, Question
from schema.site import Site

# The default number of rows that a call returns, and the maximum
ROWS, MOST_ROWS = 200, 5_000
# SQL types of parameters, with their JSON Schema types
TYPES = {"BOOLEAN": "boolean", "INTEGER": "integer", "BIGINT": "integer", "DOUBLE": "number"}
# The keys of a call that are not parameters of the question
WHERE, LIMIT = "where", "rows"
INSTRUCTIONS = (
    "Questions about experiments in continual multimodal pretraining, answered from a published "
    "snapshot. Begin with `ranked` (which is best, and which cannot be told from it), `decide`, "
    "`status` and `failures`. Report a mean with its interval and its seeds; two means whose "
    "verdict is `tie` cannot be told apart. Nothing can be written here."
)


def tool(question: Question) -> dict[str, Any]:
    """Return a question as a tool: its name, description, and the JSON Schema of its input."""
    properties: dict[str, Any] = {}
    for name, parameter in question.parameters.items():
        properties[name] = _property(question, name, parameter)
    properties[WHERE] = {
        "type": "object",
        "description": "columns of the answer, and the value that each must have",
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    }
    properties[LIMIT] = {
        "type": "integer",
        "description": f"how many rows at most; {ROWS} unless given",
        "minimum": 1,
        "maximum": MOST_ROWS,
    }
    return {
        "name": question.name,
        "description": f"{question.question} {question.grain}. {question.about}".strip(),
        "input_schema": {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
        },
    }


def _property(question: Question, name: str, parameter: Parameter) -> dict[str, Any]:
    """Return the JSON Schema of a parameter."""
    schema: dict[str, Any] = {"type": TYPES.get(parameter.type, "string")}
    allowed = closed(question, name)
    if allowed is not None:
        schema["enum"] = list(allowed)
    if parameter.default is not None:
        schema["default"] = parameter.default
    return schema


def call(catalog: Path, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a call, in the form of `--json`, with the meaning of each column.

    `total_rows` counts the rows of the whole answer, so that a truncated answer is recognised.

    Raises:
        AskError: an unknown question, parameter, column or value, or too many rows.
    """
    question = named(name)
    where = arguments.get(WHERE) or {}
    rows = arguments.get(LIMIT, ROWS)
    if not isinstance(where, Mapping):
        raise AskError(f"{WHERE} is an object of columns and values; not {where!r}")
    if type(rows) is not int or not 1 <= rows <= MOST_ROWS:
        raise AskError(f"{LIMIT} is a whole number from 1 to {MOST_ROWS}; not {rows!r}")
    words = [f"{key}={_text(value)}" for key, value in where.items()]
    for key, value in arguments.items():
        if key in (WHERE, LIMIT) or value is None:
            continue
        if key not in question.parameters:
            allowed = ", ".join([*question.parameters, WHERE, LIMIT])
            raise AskError(f"{name} has no parameter {key!r}. Allowed: {allowed}.")
        words.append(f"{key}={_text(value)}")
    with opened(catalog) as connection:
        asked = asked_of(connection, question, words)
        frame = answer(connection, question, asked.parameters, where=asked.where)
        columns = {each.name: each.about for each in meanings(connection, question)}
    document = programs.answered(question, frame.head(rows), asked.words)
    for column in document["columns"]:
        column["meaning"] = columns.get(column["name"], "")
    return document | {"total_rows": len(frame)}


def _text(value: object) -> str:
    """Return a JSON value as text, as on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def server() -> Any:
    """Return the server, which the package `mcp` runs.

    Raises:
        AskError: the package is not installed.
    """
    try:
        import mcp_types as types
        from mcp.server.lowlevel import Server
    except ImportError as error:
        raise AskError(
            "the server needs the package mcp; install it with: pip install 'weir[mcp]'"
        ) from error

    async def list_tools(context: Any, params: Any) -> Any:
        tools = [types.Tool(**tool(one)) for one in questions()]
        return types.ListToolsResult(tools=tools)

    async def call_tool(context: Any, params: Any) -> Any:
        # An error is returned as a result, so that the agent reads it and corrects its call.
        try:
            document = call(Site.load().current, params.name, params.arguments or {})
        except (AskError, duckdb.Error) as error:
            return types.CallToolResult(content=texts(str(error)), is_error=True)
        return types.CallToolResult(
            content=texts(programs.text(document)), structured_content=document
        )

    def texts(text: str) -> list[Any]:
        return [types.TextContent(type="text", text=text)]

    return Server(
        "weir", instructions=INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool
    )


def run() -> None:
    """Serve until standard input ends.

    Raises:
        AskError: as `server`.
    """
    ready = server()
    import anyio
    from mcp.server.stdio import stdio_server

    async def serve() -> None:
        async with stdio_server() as (reading, writing):
            await ready.run(reading, writing, ready.create_initialization_options())

    anyio.run(serve)
