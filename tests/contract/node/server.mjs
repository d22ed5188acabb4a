// The stock provider for servers: evaluates what it is asked on stdin, one JSON a line.
import { createInterface } from "node:readline";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OpenFeature } from "@openfeature/server-sdk";

const { PORTAL_URL, TOKEN } = process.env;
await OpenFeature.setProviderAndWait(
  new OFREPProvider({ baseUrl: PORTAL_URL, headers: [["Authorization", `Bearer ${TOKEN}`]] }),
);
const client = OpenFeature.getClient();
const evaluate = {
  boolean: (key, context) => client.getBooleanDetails(key, true, context),
  number: (key, context) => client.getNumberDetails(key, -1, context),
  string: (key, context) => client.getStringDetails(key, "default", context),
};
for await (const line of createInterface({ input: process.stdin })) {
  const { type, key, context } = JSON.parse(line);
  console.log(JSON.stringify(await evaluate[type](key, context)));
}
