// The TypeScript client, second line: every protocol era it speaks, on both transports.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { command, play, reply, serving } from "./scenario.mjs";

const MODES = ["legacy", "auto", { pin: "2026-07-28" }];

async function open(mode, { surface, answer }, transport) {
  const capabilities = answer ? { elicitation: { form: {} } } : {};
  const client = new Client({ name: "interop", version: "2" }, { capabilities, versionNegotiation: { mode } });
  if (answer) client.setRequestHandler("elicitation/create", async (request) => reply(answer, request.params));
  await client.connect(transport ?? new StdioClientTransport(command(surface)));
  return {
    tools: async () => (await client.listTools()).tools,
    call: (name, given, onprogress) => client.callTool({ name, arguments: given }, onprogress ? { onprogress } : undefined),
    close: () => client.close(),
  };
}

for (const mode of MODES) {
  const word = mode.pin ?? mode;
  await play(`client 2.x, stdio, ${word}`, (wish) => open(mode, wish));
  await serving("compact", (compact) =>
    serving("typed", (typed) =>
      play(`client 2.x, http, ${word}`, (wish) => open(mode, wish, new StreamableHTTPClientTransport(wish.surface === "typed" ? typed : compact))),
    ),
  );
}
process.exit(0);
