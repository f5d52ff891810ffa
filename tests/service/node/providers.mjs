// The real clients of OpenAI, Vercel and Anthropic, unmodified; what they got is printed as JSON.
import Anthropic from "@anthropic-ai/sdk";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";

const [address, apiKey] = process.argv.slice(2);
const question = "When does my night train leave?";
const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const results = {};

const openai = new OpenAI({ baseURL: `${address}/v1`, apiKey, maxRetries: 0 });
const session = (name) => ({ headers: { "Memgpt-Session": name } });
const messages = [{ role: "user", content: question }];
results.completion = (await openai.chat.completions.create({ model: "m", messages }, session("completion"))).choices[0].message.content;
const runner = openai.chat.completions.stream(
  { model: "m", messages, stream_options: { include_usage: true } }, session("chunks"));
results.chunks = await runner.finalContent();
results.usage = (await runner.totalUsage()).total_tokens;
results.response = (await openai.responses.create({ model: "m", input: question }, session("response"))).output_text;
const stream = openai.responses.stream({ model: "m", input: question }, session("events"));
results.kinds = [];
for await (const event of stream) if (results.kinds.at(-1) !== event.type) results.kinds.push(event.type);
results.events = (await stream.finalResponse()).output_text;
results.models = (await openai.models.list()).data.map((model) => model.id);
results.embedding = (await openai.embeddings.create({ model: "m", input: "Ann", dimensions: 64 })).data[0].embedding.length;
results.floats = (await openai.embeddings.create({ model: "m", input: ["Ann"], encoding_format: "float" })).data[0].embedding.length;
results.refused = await openai.chat.completions.create({ model: "m", messages, user: "bob" }).catch((error) => [error.constructor.name, error.type]);

const vercel = createOpenAI({ baseURL: `${address}/v1`, apiKey });
const tools = { look_up: tool({ inputSchema: jsonSchema(schema), execute: async ({ city }) => `sunny in ${city}` }) };
for (const [name, model] of [["vercel_chat", vercel.chat("tools")], ["vercel_responses", vercel("tools")]]) {
  const options = { model, prompt: "How is the weather?", tools, stopWhen: stepCountIs(3), headers: { "Memgpt-Session": name }, maxRetries: 0 };
  const { text, steps } = await generateText(options);
  results[name] = [text, steps.length];
}
const text = streamText({ model: vercel("m"), prompt: question, headers: { "Memgpt-Session": "vercel_stream" }, maxRetries: 0 });
results.vercel_stream = await text.text;

const anthropic = new Anthropic({ baseURL: address, apiKey, maxRetries: 0 });
const asked = { model: "m", max_tokens: 100, messages };
results.message = (await anthropic.messages.create(asked, session("message"))).content[0].text;
results.message_stream = await anthropic.messages.stream(asked, session("message_stream")).finalText();
results.counted = (await anthropic.messages.countTokens({ model: "m", messages })).input_tokens > 0;
results.claude = (await anthropic.models.list()).data.map((model) => model.id);
results.denied = await anthropic.messages.create(asked, { headers: { "Memgpt-Agent": "bob" } }).catch((error) => [error.constructor.name, error.type]);
console.log(JSON.stringify(results));
