// The official client, told by lines of JSON what to do; tells by lines of JSON what came of it.
import { createInterface } from "node:readline";
import {
  createTRPCClient,
  httpBatchLink,
  httpBatchStreamLink,
  httpLink,
  httpSubscriptionLink,
  splitLink,
} from "@trpc/client";
import { EventSource } from "eventsource";

const { url, headers, connectionParams } = JSON.parse(process.argv[2]);
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function counted(input, init) {
  const { pathname, searchParams } = new URL(input);
  const method = init?.method ?? "GET";
  const lastEventId = new Headers(init?.headers).get("last-event-id");
  tell({ fetched: { method, pathname, input: searchParams.get("input"), lastEventId } });
  return fetch(input, init);
}

const options = { url, headers, fetch: counted };
const post = { ...options, methodOverride: "POST" };
const links = {
  http: httpLink(options),
  batch: httpBatchLink(options),
  stream: httpBatchStreamLink(options),
  "http by POST": httpLink(post),
  "batch by POST": httpBatchLink(post),
  "stream by POST": httpBatchStreamLink(post),
};
// Node has no EventSource; this one's fetch can add headers, which a browser's cannot.
const subscriptions = httpSubscriptionLink({
  url,
  EventSource,
  ...(connectionParams && { connectionParams: () => connectionParams }),
  eventSourceOptions: () => ({
    fetch: (input, init) => counted(input, { ...init, headers: { ...init.headers, ...headers } }),
  }),
});
const clients = Object.fromEntries(
  Object.entries(links).map(([name, link]) => {
    const split = splitLink({
      condition: (operation) => operation.type === "subscription",
      true: subscriptions,
      false: link,
    });
    return [name, createTRPCClient({ links: [split] })];
  }),
);

const failed = (error) => ({
  name: error.name,
  message: error.message,
  number: error.shape?.code ?? null,
  data: error.data ?? null,
  cause: error.cause?.name ?? null,
});
const procedure = (client, path) => path.split(".").reduce((at, name) => at[name], client);
const aborts = new Map();

async function call({ id, link, calls }) {
  const controller = new AbortController();
  aborts.set(id, () => controller.abort());
  const answers = calls.map(async ([path, verb, input], place) => {
    try {
      const asked = procedure(clients[link], path)[verb](input, { signal: controller.signal });
      tell({ id, place, data: await asked });
    } catch (error) {
      tell({ id, place, error: failed(error) });
    }
  });
  await Promise.all(answers);
  tell({ id, done: true });
}

function subscribe({ id, path, input, busy = 0 }) {
  const subscription = procedure(clients.http, path).subscribe(input, {
    onStarted: () => tell({ id, started: true }),
    onData(given) {
      // A reader that has a lot to do with each event.
      if (busy) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, busy);
      tell({ id, given });
    },
    onConnectionStateChange: ({ state, error }) =>
      tell({ id, state, error: error && failed(error) }),
    onError: (error) => tell({ id, error: failed(error) }),
    onComplete: () => tell({ id, complete: true }),
  });
  aborts.set(id, () => subscription.unsubscribe());
}

const acts = { call, subscribe, abort: ({ of }) => aborts.get(of)() };
for await (const line of createInterface({ input: process.stdin })) {
  const { act, ...rest } = JSON.parse(line);
  acts[act](rest);
}
process.exit();
