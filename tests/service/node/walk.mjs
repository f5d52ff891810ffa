// The TypeScript client against a running service; what it got is printed as JSON.
import * as memgpt from "./typescript/dist/index.js";

const [address, apiKey] = process.argv.slice(2);
const sent = [];
let failing = 0;
const flaky = async (request) => {
  sent.push([request.method, request.headers.get("Idempotency-Key")]);
  if (failing > 0) {
    failing -= 1;
    await fetch(request); // it was done, and its answer is lost
    throw new TypeError("fetch failed");
  }
  return fetch(request);
};
const client = memgpt.connect({ baseUrl: address, apiKey, fetch: flaky });
const path = { agent_id: "team/ann" };
const results = {};

failing = 1;
const { data: [memory] } = await memgpt.remember({ client, path, body: { text: "Ann likes trains" } });
results.remembered = memory.text;
results.sent = sent.length;
results.once = sent[0][1] !== null && sent[0][1] === sent[1][1];
results.memories = (await memgpt.listArchival({ client, path })).data.length;
results.found = (await memgpt.search({ client, path, body: { query: "trains" } })).data[0].text;
results.error = await memgpt.getArchival({ client, path: { ...path, id: 4711 } }).catch(
  (error) => [error instanceof memgpt.MemgptError, error.status, typeof error.requestId]);
results.events = [];
for await (const { event, data } of memgpt.stream(client, { url: "/v1/agents/team%2Fann/chat", body: { text: "hello" } })) {
  results.events.push(event);
  if (event === "ended") results.text = data.text;
}
const stranger = memgpt.connect({ baseUrl: address, apiKey: "memgpt_0_x", retries: 0 });
results.stranger = await memgpt.listAgents({ client: stranger }).catch((error) => error.status);
console.log(JSON.stringify(results));
