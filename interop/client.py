"""The official Python client: every protocol era it speaks, on both transports.

Plays what scenario.mjs plays: tools of both surfaces, a machine deployed by names with progress, a whole list, destruction
with an approval and none without.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import socket
import subprocess
import time
import urllib.request

import mcp_types as types
from mcp import Client, StdioServerParameters

VMS = 1200
TOKENS_MAX = 3000
COMMANDS_MIN = 600
START_SECONDS_MAX = 20
MODES = ("auto", "legacy", "2026-07-28")
BINARY = os.environ["CLOUDSTACK_MCP_BINARY"]


def arguments(surface):
    return ["serve", "--surface", surface, "--vms", str(VMS)]


@contextlib.contextmanager
def serving(surface):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLOUDSTACK_")}
    server = subprocess.Popen([BINARY, *arguments(surface), "--http", f"127.0.0.1:{port}"], env=environment, stdin=subprocess.DEVNULL)
    try:
        until_it_answers(f"http://127.0.0.1:{port}/healthz")
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.terminate()
        server.wait()


def until_it_answers(url):
    end = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def person(answer):
    """The callback through which a person answers; None where the client cannot ask."""
    if answer is None:
        return None

    async def callback(_context, question):
        if answer != "accept":
            return types.ElicitResult(action=answer)
        name = re.search(r"interop-\w+", question.message)
        content = {key: name.group() if key == "name" and name else True for key in question.requested_schema["properties"]}
        return types.ElicitResult(action="accept", content=content)

    return callback


async def good(client, name, given, on_progress=None):
    result = await client.call_tool(name, given, progress_callback=on_progress)
    assert not result.is_error and result.structured_content, result
    return result.structured_content


async def compact_is_small(client):
    tools = (await client.list_tools()).tools
    names = [tool.name for tool in tools]
    for name in ("search", "describe", "read", "run", "job", "find"):
        assert name in names, names
    tokens = len(json.dumps([tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in tools], separators=(",", ":"))) / 4
    assert tokens <= TOKENS_MAX, tokens


async def list_is_whole(client):
    machines = await good(client, "read", {"command": "listVirtualMachines", "fields": ["id", "name"]})
    assert machines["complete"] and machines["returned"] == machines["total"] == len(machines["items"]) >= VMS, machines["returned"]
    assert len({item["id"] for item in machines["items"]}) == machines["returned"]


async def life_of_a_vm(client, answer):
    name = f"interop-{random.randrange(16**6):06x}"

    async def first(command, **extra):
        return (await good(client, "read", {"command": command, "arguments": extra, "limit": 1}))["items"][0]["name"]

    wanted = {
        "zoneid": await first("listZones"),
        "templateid": await first("listTemplates", templatefilter="executable"),
        "serviceofferingid": await first("listServiceOfferings"),
        "name": name,
    }
    steps = []

    async def on_progress(progress, _total, _message):
        steps.append(progress)

    made = await good(client, "run", {"command": "deployVirtualMachine", "arguments": wanted}, on_progress)
    assert made["receipt"] and made["job"]["status"] == "succeeded", made
    assert steps and steps == sorted(set(steps)), steps
    await destroys(client, name, answer)


async def destroys(client, name, answer):
    wish = {"command": "destroyVirtualMachine", "arguments": {"id": name}}
    result = await client.call_tool("run", wish)
    if answer == "decline":
        assert result.is_error, result
    elif answer is None:
        asked = result.structured_content
        assert not result.is_error and asked["status"] == "needs_approval" and asked["plan"], result
        await state_is(client, name, "Running")
        await good(client, "run", {**wish, "approval_token": asked["approval_token"]})
        again = await client.call_tool("run", {**wish, "approval_token": asked["approval_token"]})
        assert again.is_error, again
    else:
        assert not result.is_error, result
    await state_is(client, name, "Running" if answer == "decline" else "Destroyed")


async def state_is(client, name, state):
    machines = await good(client, "read", {"command": "listVirtualMachines", "arguments": {"name": name}, "fields": ["name", "state"]})
    states = [item["state"] for item in machines["items"] if item["name"] == name]
    # A destroyed machine may be gone from the list already.
    assert states == [state] or (state == "Destroyed" and not states), (name, states)


async def typed_is_whole(client):
    tools = (await client.list_tools()).tools
    assert len({tool.name for tool in tools}) == len(tools) >= COMMANDS_MIN, len(tools)
    zones = await good(client, "list_zones", {})
    assert zones["complete"] and zones["items"], zones


async def play(label, mode, where):
    began = time.monotonic()
    for answer in ("accept", "decline", None):
        async with Client(where("compact"), mode=mode, elicitation_callback=person(answer)) as client:
            if answer == "accept":
                await compact_is_small(client)
                await list_is_whole(client)
            await life_of_a_vm(client, answer)
    async with Client(where("typed"), mode=mode) as client:
        await typed_is_whole(client)
    print(f"{label}, {mode}: ok, {time.monotonic() - began:.1f} s", flush=True)


async def main():
    for mode in MODES:
        await play("python 2.x, stdio", mode, lambda surface: StdioServerParameters(command=BINARY, args=arguments(surface)))
    with serving("compact") as compact, serving("typed") as typed:
        for mode in MODES:
            await play("python 2.x, http", mode, lambda surface: compact if surface == "compact" else typed)


asyncio.run(main())
