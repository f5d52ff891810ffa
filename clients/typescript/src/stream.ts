/** Server-sent events of the service: turns of an agent, and the progress of jobs. */

import type { Client } from "./generated/client/index.js";

export interface ServerEvent {
  event: string;
  data: unknown;
}

/** Send a request whose answer is a stream, such as a turn of `/v1/agents/ann/chat`; its events as they come. */
export async function* stream(
  client: Client,
  request: { url: string; method?: "GET" | "POST"; body?: Record<string, unknown>; signal?: AbortSignal },
): AsyncGenerator<ServerEvent> {
  const method = request.method ?? (request.body ? "POST" : "GET");
  const { data } = await client.request({
    url: request.url,
    method,
    parseAs: "stream",
    headers: { Accept: "text/event-stream", ...(request.body ? { "Content-Type": "application/json" } : {}) },
    ...(request.body ? { body: { ...request.body, stream: true } } : {}),
    ...(request.signal ? { signal: request.signal } : {}),
  });
  yield* events(data as unknown as ReadableStream<Uint8Array>);
}

/** Read the events of a body. */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) {
        const event = read(part);
        if (event !== null) yield event;
      }
    }
  } finally {
    await reader.cancel();
  }
}

function read(part: string): ServerEvent | null {
  const fields = part.split("\n").map((line) => line.split(/: ?(.*)/s, 2) as [string, string | undefined]);
  const data = fields.filter(([name]) => name === "data").map(([, value]) => value ?? "");
  if (data.length === 0) return null;
  const name = fields.find(([field]) => field === "event")?.[1] ?? "message";
  return { event: name, data: JSON.parse(data.join("\n")) as unknown };
}
