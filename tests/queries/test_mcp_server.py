"""The questions as tools: their schemas, their answers, and a client that speaks the protocol."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from queries import AskError, mcp_server, questions
from schema.site import Site
from tests.alike import same_answer
from tests.filled import Filled, varied


@pytest.fixture
def catalog(site: Site) -> Path:
    site.snapshot.mkdir(parents=True)
    filled = Filled(site.snapshot / "catalog.duckdb")
    varied(filled)
    filled.connection.close()
    site.current.symlink_to("catalog.duckdb")
    return site.current


def test_every_question_is_a_tool_with_its_parameters() -> None:
    for question in questions():
        one = mcp_server.tool(question)
        assert one["name"] == question.name and question.question in one["description"]
        assert set(one["input_schema"]["properties"]) == {*question.parameters, "where", "rows"}
    ranked = next(one for one in questions() if one.name == "ranked")
    measure = mcp_server.tool(ranked)["input_schema"]["properties"]["measure"]
    assert measure["default"] == "gm" and "zs_ratio" in measure["enum"]


def test_a_call_is_answered_as_json(catalog: Path) -> None:
    document = mcp_server.call(
        catalog, "ranked", {"measure": "a_ka", "rows": 2, "where": {"seeds": 3}}
    )
    assert document["total_rows"] == 2 and len(document["rows"]) == 2
    assert document["parameters"]["measure"] == "a_ka"
    assert {row["seeds"] for row in document["rows"]} == {3}
    assert all(column["meaning"] for column in document["columns"])
    assert mcp_server.call(catalog, "seeds", {"rows": 1})["total_rows"] > 1


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("rankd", {}, "unknown question 'rankd'.*'ranked'"),
        ("ranked", {"measur": "gm"}, "ranked has no parameter 'measur'. Allowed: measure"),
        ("ranked", {"measure": "gn"}, "measure is one of"),
        ("ranked", {"rows": 0}, "rows is a whole number from 1 to 5000; not 0"),
        ("ranked", {"where": "seeds=3"}, "where is an object of columns and values"),
        ("ranked", {"where": {"sedes": 3}}, "'sedes'"),
    ],
)
def test_what_cannot_be_answered_is_said(
    catalog: Path, name: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(AskError, match=message):
        mcp_server.call(catalog, name, arguments)


def test_without_the_package_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp_types", None)
    with pytest.raises(AskError, match=r"pip install 'weir\[mcp\]'"):
        mcp_server.server()


def values(rows: list[dict[str, Any]]) -> list[list[Any]]:
    return [list(row.values()) for row in rows]


def test_a_client_lists_and_calls_tools(catalog: Path) -> None:
    """Over the protocol, in this process: what is asked wrongly is a result that says so."""
    pytest.importorskip("mcp")
    import anyio
    from mcp import Client

    async def talk() -> tuple[Any, Any, Any]:
        async with Client(mcp_server.server()) as client:
            tools = await client.list_tools()
            best = await client.call_tool("ranked", {"measure": "gm"})
            wrong = await client.call_tool("ranked", {"measure": "nonsense"})
        return tools, best, wrong

    tools, best, wrong = anyio.run(talk)
    assert {one.name for one in tools.tools} == {one.name for one in questions()}
    rows = mcp_server.call(catalog, "ranked", {})["rows"]
    assert same_answer(values(best.structured_content["rows"]), values(rows))
    assert json.loads(best.content[0].text)["name"] == "ranked"
    assert wrong.is_error and "measure is one of" in wrong.content[0].text
