/** Client of the memgpt service: every operation as a typed function, errors, retries and streams. */

import { createClient, createConfig, type Client } from "./generated/client/index.js";
import { retrying } from "./retrying.js";

export * from "./generated/index.js";
export { events, stream, type ServerEvent } from "./stream.js";
export type { Client };

export interface Options {
  /** Address of the service: http://127.0.0.1:8283 */
  baseUrl: string;
  /** A key of the service: memgpt_… */
  apiKey?: string;
  /** How often a request is sent again that was refused for a moment, or whose answer was lost; 3 if absent. */
  retries?: number;
  fetch?: typeof fetch;
}

/** What the service refuses, in its words. */
export class MemgptError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly requestId?: string,
  ) {
    super(message);
    this.name = "MemgptError";
  }
}

/** Connect to a service: the result is the `client` of every operation. */
export function connect(options: Options): Client {
  const client = createClient(
    createConfig({
      baseUrl: options.baseUrl.replace(/\/+$/, ""),
      fetch: retrying(options.fetch ?? fetch, options.retries ?? 3),
      throwOnError: true,
      ...(options.apiKey === undefined ? {} : { headers: { Authorization: `Bearer ${options.apiKey}` } }),
    }),
  );
  client.interceptors.error.use((error, response) => {
    if (response === undefined) return error;
    const problem = (typeof error === "object" ? error : null) as { detail?: string; request_id?: string } | null;
    const detail = problem?.detail ?? `the service answered ${response.status}`;
    return new MemgptError(response.status, detail, problem?.request_id ?? undefined);
  });
  return client;
}
