// Compiled by the tests: what a user may write, and what the compiler has to refuse.
import { createTRPCClient, httpBatchLink, httpSubscriptionLink, splitLink } from "@trpc/client";
import type { AppRouter, ListedRun, Run, RunEvent } from "./app_router.js";

const url = "http://127.0.0.1:8000/api/trpc";
const client = createTRPCClient<AppRouter>({
  links: [
    splitLink({
      condition: (operation) => operation.type === "subscription",
      true: httpSubscriptionLink({ url, connectionParams: () => ({ token: "runs_…" }) }),
      false: httpBatchLink({ url, headers: { authorization: "Bearer …" } }),
    }),
  ],
});

const page: ListedRun[] = await client.runs.list.query({ limit: 5, status: "running" });
const next: ListedRun[] = await client.runs.list.query({ cursor: page.at(-1)?.cursor });
await client.runs.list.query();
const run: Run = await client.runs.get.query({ id: "run_1" });
const seq: number = run.last_seq;
const failedAt: string | undefined = run.error?.node;
const { id }: { id: string } = await client.workflows.execute.mutate({
  workflow_id: "invoice_processing",
  input: { document: "a.pdf" },
  idempotency_key: "order-4711",
});
const again: Run = await client.runs.retry.mutate({ id, reason: "mended" });
await client.runs.terminate.mutate({ id });
const whole = await client.runs.export.query({ id });
await client.runs.delete.mutate({ id, reason: "private" });
const missing: number = whole.completeness.missing;

const everything = await client.runs.exportAll.query({ status: "failed", created: "24h" });
const rest = await client.runs.exportAll.query({ cursor: everything.export.next });
const { events, next: further } = await client.runs.events.query({ id, kind: ["log"], after: 3 });
const [question] = await client.decisions.list.query({ show: "mine" });
await client.decisions.answer.mutate({ run: id, node: "review", act: "corrected", value: 5 });
const view = await client.views.create.mutate({ name: "Failed", query: "?state=failed" });
await client.views.update.mutate({ id: view.id, is_default: true });
await client.tokens.list.query();
const bulk = await client.bulk.start.mutate({
  kind: "retry",
  filter: { status: "failed", created: "24h" },
  options: { from_failed: true },
});
const progress = await client.bulk.get.query({ id: bulk.id });
const secondsLeft: number | null = progress.seconds_left;
const exported: number | undefined = progress.export?.runs;
for (const outcome of await client.bulk.outcomes.query({ id: bulk.id, status: "failed" })) {
  const newRun: string | null = outcome.new_run;
  console.log(outcome.run, newRun, secondsLeft, exported);
}
await client.runs.hold.mutate({ id, reason: "case 114" });
const made = await client.triggers.create.mutate({
  kind: "webhook",
  name: "orders",
  rule: { then: [{ start: "invoice_processing", input: "$.body" }] },
});
const secret: string | null = made.secret;
const tried = await client.triggers.test.mutate({ id: made.id, payload: { body: {} } });
await client.triggers.switch.mutate({ id: made.id, on: !tried.holds });
await client.workflows.limit.mutate({ id: "invoice_processing", max_active: null });
const spent = await client.analysis.cost.query({ workflow_id: "invoice_processing", created: "7d" });
const dearest: string = spent.total;
const wasted = await client.runs.list.query({ spent: "failed", created: "7d", is_retry: "yes" });
const { groups } = await client.analysis.failures.query({ node: "extract", sort: "last_seen" });
for (const group of groups) await client.analysis.markGroup.mutate({ id: group.id, mark: "known" });
const slow = (await client.analysis.run.query({ id })).nodes.filter((node) => node.is_longer);
console.log(dearest, wasted.length, slow, (await client.analysis.overview.query()).changes);
client.runs.stream.subscribe(undefined, {
  onData(notice) {
    const changed: string[] = notice.reset ? [] : notice.runs.map((each) => each.id);
    console.log(changed);
  },
});

const subscription = client.runs.streamLogs.subscribe(
  { runId: id },
  {
    onData(event) {
      const number: string = event.id;
      const told: RunEvent = event.data;
      console.log(number, told.kind === "log" ? told.data.message : told.node);
    },
    onError(error) {
      const code: "NOT_FOUND" | "FORBIDDEN" | string | undefined = error.data?.code;
      console.log(code, error.data?.actions);
    },
  },
);
subscription.unsubscribe();

// @ts-expect-error a number is wanted
await client.runs.list.query({ limit: "5" });
// @ts-expect-error there is no such state
await client.runs.list.query({ status: "gone" });
// @ts-expect-error there is no such member
await client.runs.get.query({ id: "run_1", of: "x" });
// @ts-expect-error the id is missing
await client.runs.get.query({});
// @ts-expect-error there is no such procedure
await client.runs.nothing.query({ id: "run_1" });
// @ts-expect-error a mutation is no query
await client.runs.retry.query({ id: "run_1" });
// @ts-expect-error the input is missing
await client.workflows.execute.mutate({ workflow_id: "invoice_processing" });
// @ts-expect-error money is text
const cost: number = run.cost;

// @ts-expect-error nothing is burnt
await client.bulk.start.mutate({ kind: "burn", filter: {} });
// @ts-expect-error no token is made here
await client.tokens.create.mutate({ name: "x" });
// @ts-expect-error nobody answers so
await client.decisions.answer.mutate({ run: id, node: "review", act: "withdrawn" });

// @ts-expect-error it says which revision it changes
await client.triggers.change.mutate({ id: made.id, name: "x" });

// @ts-expect-error of nodes that were executed only
await client.runs.list.query({ node: "ocr", node_status: "skipped", created: "7d" });

console.log(rest, events[0]?.seq, further, question?.due_at);
console.log(next, seq, failedAt, again, missing, cost, secret);
