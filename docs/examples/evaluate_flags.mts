/**
 * Evaluate flags of the portal with the stock client of OpenFeature.
 *
 *     npm install @openfeature/server-sdk @openfeature/ofrep-provider
 *     PORTAL=http://localhost:8000 TOKEN=rgp_… node evaluate_flags.mjs
 */

import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OpenFeature } from "@openfeature/server-sdk";

const { PORTAL, TOKEN } = process.env;

await OpenFeature.setProviderAndWait(
  new OFREPProvider({
    baseUrl: PORTAL ?? "http://localhost:8000",
    headers: [["Authorization", `Bearer ${TOKEN}`]],
  }),
);
const client = OpenFeature.getClient();
// What sticks to its bucket is the targetingKey.
const context = {
  targetingKey: "run-1",
  team: "alpha",
  mode: "standard",
  query_class: "fixture_replay",
  sensitivity: "no_web",
};

// The second argument holds where the portal does not answer.
const enabled = await client.getBooleanDetails("PAI_DR_CLI_ENABLED", false, context);
const agents = await client.getNumberValue("PAI_DR_CLI_MAX_WAVE1_AGENTS", 1, context);
console.log(`enabled: ${enabled.value} (${enabled.flagMetadata.why})`);
console.log(`agents: ${agents}`);
await OpenFeature.close();
