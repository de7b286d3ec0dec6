// The TypeScript SDK, first line: what most clients in the field are built with.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { command, play, reply, serving } from "./scenario.mjs";

async function open({ surface, answer }, transport) {
  const client = new Client({ name: "interop", version: "1" }, { capabilities: answer ? { elicitation: {} } : {} });
  if (answer) client.setRequestHandler(ElicitRequestSchema, async (request) => reply(answer, request.params));
  await client.connect(transport ?? new StdioClientTransport(command(surface)));
  return {
    tools: async () => (await client.listTools()).tools,
    call: (name, given, onprogress) => client.callTool({ name, arguments: given }, undefined, onprogress ? { onprogress } : undefined),
    close: () => client.close(),
  };
}

await play("sdk 1.x, stdio", (wish) => open(wish));
await serving("compact", (compact) =>
  serving("typed", (typed) =>
    play("sdk 1.x, http", (wish) => open(wish, new StreamableHTTPClientTransport(wish.surface === "typed" ? typed : compact))),
  ),
);
process.exit(0);
