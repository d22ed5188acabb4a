/**
 * Report one run of the research system to the portal, from its own files.
 *
 *     PORTAL=http://localhost:8000 TOKEN=rgp_… node report_run.mjs RUN_ROOT
 *
 * Needs Node 20 and nothing else (`tsc` makes the .mjs). It asks which workflow the run
 * gets, reports its documents and artifacts, acknowledges nothing, and prints how the
 * run stands.
 */

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";

const { PORTAL, TOKEN } = process.env;

interface Problem { code: string; detail: string }
interface Decision { workflow: string; reason: string }
interface Run { status: string; gates: Record<string, { status: string }> }
interface Directive { kind: string; reason: string }

/** One request; a refusal ends the program with its code and its sentence. */
async function call<Answer>(
  method: string, path: string, body?: string | Uint8Array, headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await fetch(`${PORTAL}/api/v1/${path}`, {
    method,
    body: body as BodyInit | undefined,
    headers: { Authorization: `Bearer ${TOKEN}`, ...headers },
  });
  if (!answer.ok) {
    const problem = await answer.json() as Problem;
    throw new Error(`${problem.code}: ${problem.detail}`);
  }
  return await answer.json() as Answer;
}

const JSON_TYPE = { "Content-Type": "application/json" };
const root = process.argv[2];
const manifest = JSON.parse(await readFile(join(root, "manifest.json"), "utf8"));
const run: string = manifest.run_id;

// The same key gives the same answer, however often it is asked.
const asked = {
  run_id: run,
  team: "alpha",
  mode: manifest.mode,
  query_class: "fixture_replay",
  sensitivity: manifest.query.sensitivity,
};
const decision = await call<Decision>(
  "POST", "decisions", JSON.stringify(asked), { ...JSON_TYPE, "Idempotency-Key": run },
);
console.log(`${run}: ${decision.workflow} (${decision.reason})`);
if (decision.workflow !== "option_c") process.exit(); // it reports nothing

// Documents go as they are, byte for byte; sending one again changes nothing.
for (const name of ["manifest", "gates"]) {
  await call("PUT", `runs/${run}/${name}`, await readFile(join(root, `${name}.json`)), JSON_TYPE);
}

// Artifacts name their digest (RFC 9530), so that what arrives is what was sent.
const found = await readdir(root, { recursive: true, withFileTypes: true });
for (const each of found.filter((entry) => entry.isFile())) {
  const file = join(each.parentPath, each.name);
  const content = await readFile(file);
  const digest = createHash("sha256").update(content).digest("base64");
  const path = relative(root, file).split(sep).map(encodeURIComponent).join("/");
  await call("PUT", `runs/${run}/artifacts/${path}`, content, {
    "Content-Type": "application/octet-stream",
    "Content-Digest": `sha-256=:${digest}:`,
  });
}

const told = await call<Run>("GET", `runs/${run}`);
const gates = Object.entries(told.gates).map(([gate, said]) => `${gate}:${said.status}`);
console.log(`${run}: ${told.status}, ${gates.join(" ")}`);
const asks = await call<{ directives: Directive[] }>("GET", `runs/${run}/directives`);
for (const each of asks.directives) {
  console.log(`${run}: the portal asks to ${each.kind}: ${each.reason}`);
}
