/** Requests that are sent again: those refused for a moment, and those whose answer was lost if they are done once only. */

const MOMENT = 250;
const LONGEST = 30_000;

export function retrying(send: typeof fetch, retries: number): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const reads = request.method === "GET" || request.method === "HEAD";
    // The service does a write with a key once, however often it comes; a turn of a model is another turn.
    const once = !reads && /\/v1\/agents\/(?!.*\/chat(\/|$))/.test(new URL(request.url).pathname);
    if (once && !request.headers.has("Idempotency-Key")) {
      request.headers.set("Idempotency-Key", crypto.randomUUID());
    }
    for (let attempt = 0; ; attempt++) {
      try {
        const response = await send(request.clone());
        if (attempt >= retries || (response.status !== 429 && response.status !== 503)) return response;
        await response.body?.cancel();
        await pause(waiting(response.headers.get("Retry-After"), attempt), request.signal);
      } catch (error) {
        if (attempt >= retries || request.signal.aborted || !(reads || once)) throw error;
        await pause(waiting(null, attempt), request.signal);
      }
    }
  };
}

/** Milliseconds until the next attempt: as the service says, else longer each time. */
function waiting(retryAfter: string | null, attempt: number): number {
  const seconds = retryAfter === null ? Number.NaN : Number(retryAfter);
  return Math.min(LONGEST, Number.isFinite(seconds) ? seconds * 1000 : MOMENT * 2 ** attempt);
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}
