"""The editor as tools, called by a real client of the Model Context Protocol."""

import asyncio
import base64
import io
import sys
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from PIL import Image

import chat
from agent.serve.mcp import server_of
from agent.serve.users import Users
from tools.inspection import sample_portrait


def words(result: Any) -> list[str]:
    return [part.text for part in result.content if part.type == "text"]


def pictures(result: Any) -> list[Image.Image]:
    return [
        Image.open(io.BytesIO(base64.b64decode(part.data)))
        for part in result.content
        if part.type == "image"
    ]


async def _conversation(client: Client, folder: Path) -> None:
    sample_portrait()[0].resize((640, 640)).save(folder / "me.png")
    opened = await client.call_tool("open_picture", {"path": str(folder / "me.png")})
    session = words(opened)[0].removeprefix("session ")
    assert pictures(opened)[0].size == (320, 320)

    async def call(tool: str, **given: Any) -> Any:
        return await client.call_tool(tool, {"session": session, **given})

    hat = await call("edit", message="give her a red hat")
    assert words(hat)[0].startswith("Added: red hat (@1).") and len(pictures(hat)) == 1
    assert words(await call("undo"))[0] == "Back at @0: the original."
    await call("edit", message="make her sad")
    assert words(await call("turns")) == [
        "  @0 from -: original\n  @1 from @0: give her a red hat\n* @2 from @0: make her sad"
    ]
    assert len(pictures(await call("compare", a=1, b=2))) == 2
    assert words(await call("go_to", turn=1))[0].startswith("Back at @1")
    assert "(" in words(await call("edit", message="change her hair"))[0], "a question"
    saved = words(await call("save", path=str(folder / "hat.png")))
    assert saved == [str(folder / "hat.png")] and (folder / "hat.png").exists()
    beyond = await call("show", turn=9)
    assert beyond.is_error and "There is no turn 9; turns lists them." in words(beyond)[0]
    missing = await client.call_tool("show", {"session": "nobody"})
    assert missing.is_error and "There is no session nobody" in words(missing)[0]
    assert "--" not in words(missing)[0]
    assert words(await client.call_tool("sessions", {}))[0].startswith(session)


def test_a_client_opens_edits_branches_and_saves(users: Users, tmp_path: Path) -> None:
    async def talk() -> None:
        async with Client(server_of(users.user("ann"))) as client:
            listed = await client.list_tools()
            assert {tool.name for tool in listed.tools} >= {"open_picture", "edit", "undo", "show"}
            assert all(tool.description for tool in listed.tools)
            await _conversation(client, tmp_path)

    asyncio.run(talk())


def test_the_command_speaks_over_standard_input(tmp_path: Path) -> None:
    told = [str(Path(chat.__file__)), "mcp", "--offline", "--home", str(tmp_path / "home")]

    async def talk() -> None:
        server = StdioServerParameters(command=sys.executable, args=told)
        async with Client(stdio_client(server)) as client:
            opened = await client.call_tool("open_picture", {})
            assert words(opened)[0].startswith("session ") and pictures(opened)

    asyncio.run(talk())
