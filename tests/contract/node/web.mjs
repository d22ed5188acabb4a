// The stock provider for browsers. Says on stdout what it fetches, hears and has; says
// what it has when a line comes on stdin.
import { createInterface } from "node:readline";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";
import { EventSource } from "eventsource";

const { PORTAL_URL, TOKEN, CONTEXT } = process.env;
const say = (what) => console.log(JSON.stringify(what));

globalThis.EventSource = class extends EventSource {
  constructor(url) {
    super(url);
    this.addEventListener("open", () => say({ stream: "open", url }));
    this.addEventListener("error", (event) => say({ stream: "error", url, code: event.code }));
    this.addEventListener("message", (event) => say({ stream: "message", data: JSON.parse(event.data) }));
  }
};
const fetchAndSay = async (request, options) => {
  const answer = await fetch(request, options);
  say({ fetched: answer.status, url: request.url });
  return answer;
};

const provider = new OFREPWebProvider({
  baseUrl: PORTAL_URL,
  headers: [["Authorization", `Bearer ${TOKEN}`]],
  cacheMode: "disabled",
  fetchImplementation: fetchAndSay,
});
await OpenFeature.setContext(JSON.parse(CONTEXT));
await OpenFeature.setProviderAndWait(provider);
const client = OpenFeature.getClient();
client.addHandler(ProviderEvents.ConfigurationChanged, (event) => say({ changed: event.flagsChanged }));
client.addHandler(ProviderEvents.Stale, (event) => say({ stale: event.message }));

const evaluate = {
  boolean: (key) => client.getBooleanDetails(key, true),
  number: (key) => client.getNumberDetails(key, -1),
  string: (key) => client.getStringDetails(key, "default"),
};
say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const { type, key } = JSON.parse(line);
  say({ details: evaluate[type](key) });
}
await OpenFeature.close();
process.exit(0);
