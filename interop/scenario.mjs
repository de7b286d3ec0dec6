// What a client must be able to do with the server, told once for every client library of JavaScript.
//
// A library is an `open({ surface, answer })` that gives `{ tools(), call(name, arguments, onprogress), close() }`;
// `answer` is what its person says to a question: "accept", "decline", or null where the client cannot ask.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

export const VMS = 1200;
const TOKENS_MAX = 3000;
const COMMANDS_MIN = 600;
const START_SECONDS_MAX = 20;

/** The server's command line for standard input and output. */
export function command(surface) {
  const binary = process.env.CLOUDSTACK_MCP_BINARY;
  assert(binary, "CLOUDSTACK_MCP_BINARY names no binary");
  return { command: binary, args: ["serve", "--surface", surface, "--vms", String(VMS)], env: environment() };
}

function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("CLOUDSTACK_")));
}

/** Serves over HTTP while `work` runs with the address. */
export async function serving(surface, work) {
  const port = await freePort();
  const { command: binary, args, env } = command(surface);
  const server = spawn(binary, [...args, "--http", `127.0.0.1:${port}`], { env, stdio: ["ignore", "inherit", "inherit"] });
  try {
    await answers(`http://127.0.0.1:${port}/healthz`);
    return await work(new URL(`http://127.0.0.1:${port}/mcp`));
  } finally {
    server.kill("SIGTERM");
  }
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function answers(url) {
  for (let tries = 0; tries < START_SECONDS_MAX * 20; tries += 1) {
    if (await fetch(url).then((answer) => answer.ok, () => false)) return;
    await wait(50);
  }
  throw new Error(`nothing answers at ${url}`);
}

/** The answer that a person gives to a question, in the form of the protocol. */
export function reply(answer, question) {
  if (answer !== "accept") return { action: answer };
  const properties = question.requestedSchema.properties;
  const name = /web-1|interop-\w+/.exec(question.message)?.[0];
  const content = Object.fromEntries(Object.keys(properties).map((key) => [key, key === "name" ? name : true]));
  return { action: "accept", content };
}

/** Plays everything and says so; `label` names library, transport and protocol. */
export async function play(label, open) {
  const began = performance.now();
  await withClient(open, "compact", "accept", async (client) => {
    await compactIsSmall(client);
    await listIsWhole(client);
    await lifeOfAVm(client, "accept");
  });
  await withClient(open, "compact", "decline", (client) => lifeOfAVm(client, "decline"));
  await withClient(open, "compact", null, (client) => lifeOfAVm(client, null));
  await withClient(open, "typed", null, typedIsWhole);
  console.log(`${label}: ok, ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

async function withClient(open, surface, answer, work) {
  const client = await open({ surface, answer });
  try {
    await work(client);
  } finally {
    await client.close();
  }
}

async function compactIsSmall(client) {
  const tools = await client.tools();
  const names = tools.map((tool) => tool.name);
  for (const name of ["search", "describe", "read", "run", "job", "find"]) assert(names.includes(name), `no tool ${name} in ${names}`);
  const tokens = JSON.stringify(tools).length / 4;
  assert(tokens <= TOKENS_MAX, `the compact surface costs ${tokens} tokens`);
  const found = await good(client.call("search", { query: "create a virtual machine" }));
  assert(found.items.some((item) => item.command === "deployVirtualMachine"), JSON.stringify(found.items));
}

async function listIsWhole(client) {
  const list = await good(client.call("read", { command: "listVirtualMachines", fields: ["id", "name"] }));
  assert(list.complete === true && list.returned === list.total && list.items.length === list.returned, JSON.stringify({ ...list, items: undefined }));
  assert(list.returned >= VMS, `${list.returned} virtual machines`);
  assert.equal(new Set(list.items.map((item) => item.id)).size, list.returned);
}

async function lifeOfAVm(client, answer) {
  const name = `interop-${Math.random().toString(36).slice(2, 8)}`;
  const first = async (command, extra = {}) => (await good(client.call("read", { command, arguments: extra, limit: 1 }))).items[0].name;
  const wanted = {
    zoneid: await first("listZones"),
    templateid: await first("listTemplates", { templatefilter: "executable" }),
    serviceofferingid: await first("listServiceOfferings"),
    name,
  };
  const progress = [];
  const made = await good(client.call("run", { command: "deployVirtualMachine", arguments: wanted }, (step) => progress.push(step)));
  assert(made.receipt && made.job?.status === "succeeded", JSON.stringify(made));
  assert(progress.length > 0, "no progress while the job ran");
  assert(progress.every((step, at) => at === 0 || step.progress > progress[at - 1].progress), "progress that does not grow");
  await destroys(client, name, answer);
}

async function destroys(client, name, answer) {
  const wish = { command: "destroyVirtualMachine", arguments: { id: name } };
  const result = await client.call("run", wish);
  if (answer === "decline") {
    assert(result.isError, JSON.stringify(result));
  } else if (answer === null) {
    const asked = result.structuredContent;
    assert(!result.isError && asked.status === "needs_approval" && asked.plan, JSON.stringify(result));
    await stateIs(client, name, "Running");
    await good(client.call("run", { ...wish, approval_token: asked.approval_token }));
    const again = await client.call("run", { ...wish, approval_token: asked.approval_token });
    assert(again.isError, "a token worked twice");
  } else {
    assert(!result.isError, JSON.stringify(result));
  }
  await stateIs(client, name, answer === "decline" ? "Running" : "Destroyed");
}

async function stateIs(client, name, state) {
  const list = await good(client.call("read", { command: "listVirtualMachines", arguments: { name }, fields: ["name", "state"] }));
  const states = list.items.filter((item) => item.name === name).map((item) => item.state);
  // A destroyed machine may be gone from the list already.
  assert(states.every((found) => found === state) && (states.length === 1 || state === "Destroyed"), `${name} is ${states}, not ${state}`);
}

async function typedIsWhole(client) {
  const tools = await client.tools();
  assert(tools.length >= COMMANDS_MIN, `${tools.length} tools`);
  assert.equal(new Set(tools.map((tool) => tool.name)).size, tools.length);
  const zones = await good(client.call("list_zones", {}));
  assert(zones.complete && zones.items.length > 0, JSON.stringify(zones));
}

async function good(pending) {
  const result = await pending;
  assert(!result.isError && result.structuredContent, JSON.stringify(result));
  return result.structuredContent;
}
