// Made by `manage.py trpc_types`: change the procedures instead.
// Needs the types of @trpc/server 11, which comes along with @trpc/client.

import type {
  TRPC_ERROR_CODE_NUMBER,
  TRPCBuiltRouter,
  TRPCMutationProcedure,
  TRPCQueryProcedure,
  TRPCSubscriptionProcedure,
} from "@trpc/server";

export interface ListInput {
  /** A state, or its word on the page. */
  status?: "queued" | "running" | "completed" | "failed" | "terminated" | "created" | "active";
  workflow_id?: string;
  /** A range that ends now. */
  created?: "1h" | "24h" | "7d" | "30d";
  /** A time such as 2026-11-21T14:59:00Z. */
  created_from?: string;
  /** A day alone is its end. */
  created_to?: string;
  /** The same as created_from. */
  created_after?: string;
  /** A day alone is its beginning. */
  created_before?: string;
  triggered_by?: string;
  trigger?: "manual" | "api" | "schedule" | "webhook" | "event" | "automation";
  /** A reference's id, or its beginning. */
  ref?: string;
  /** An error's kind, “@” and the node, if one failed. */
  error?: string;
  /** A failure group's id, as the analysis of failures gives it. */
  group?: string;
  /** A version of the workflow, which is named too. */
  version?: number;
  /** A node that was executed; give created or created_from too. */
  node?: string;
  /** What the node is in now. */
  node_status?: "running" | "waiting" | "completed" | "failed" | "terminated";
  /** A model that was called; give created or created_from too. */
  model?: string;
  /** On attempts that failed; give created or created_from too. */
  spent?: "failed";
  /** Whether they retry another run. */
  is_retry?: "yes" | "no";
  /** Of failed runs: whether they were retried, and whether that helped. */
  retried?: "yes" | "recovered" | "no";
  /** Those that have started and ended. */
  timed?: "yes";
  /** Those that do not get on, or those of one class. */
  stuck?: "yes" | "lock" | "crash" | "network" | "executor" | "queue" | "broken" | "source" | "limit" | "paused" | "person";
  /** Where the runs' logs are. */
  logs?: "archived" | "live" | "partly" | "restored" | "archiving" | "restoring" | "damaged";
  /** Whether under legal hold. */
  held?: "yes" | "no";
  /** Text of an error; give created or created_from too. */
  q?: string;
  /** Most entries that are given. */
  limit?: number;
  /** The last given run's: the list goes on behind it. */
  cursor?: string | null;
}

export interface ListedRun {
  id: string;
  job_id: string;
  workflow_id: string;
  workflow_version: number;
  state: "created" | "active" | "completed" | "failed" | "terminated";
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  /** From start to end, or until now while the run is active. */
  duration_ms: number | null;
  trigger: "manual" | "api" | "schedule" | "webhook" | "event" | "automation";
  triggered_by: string;
  ref_type: string;
  ref_id: string;
  /** The run that this one retries. */
  retry_of: string | null;
  /** The run that the chain of retries began with. */
  first_run: string | null;
  /** US dollars. */
  cost: string;
  tokens: Tokens;
  nodes: NodeCount;
  current_node: string;
  error: RunError | null;
  ended_by: string;
  reason: string;
  /** Number of the newest event. */
  last_seq: number;
  /** Under legal hold: it is not deleted. */
  held: boolean;
  /** Where its events are: `live` and `restored`: all in the database; `archived`: none; `partly`: those that came after archiving; `archiving`, `restoring`: on their way. */
  log_state: "live" | "archiving" | "archived" | "partly" | "restoring" | "restored";
  /** When its log was archived, if it was. */
  archived_at: string | null;
  /** When a restored log leaves the database again. */
  restored_until: string | null;
  /** Nodes of a run that has ended which still finish their present operation. */
  draining: number;
  /** The run's page in the portal. */
  url: string;
  /** Where the list goes on behind this run. */
  cursor: string;
}

export interface Tokens {
  input: number;
  output: number;
  cached: number;
}

export interface NodeCount {
  total: number;
  done: number;
}

export interface RunError {
  node: string;
  kind: string;
  message: string;
}

export interface CountsInput {
  workflow_id?: string;
  /** A range that ends now. */
  created?: "1h" | "24h" | "7d" | "30d";
  /** A time such as 2026-11-21T14:59:00Z. */
  created_from?: string;
  /** A day alone is its end. */
  created_to?: string;
  /** The same as created_from. */
  created_after?: string;
  /** A day alone is its beginning. */
  created_before?: string;
  triggered_by?: string;
  trigger?: "manual" | "api" | "schedule" | "webhook" | "event" | "automation";
  /** A reference's id, or its beginning. */
  ref?: string;
  /** An error's kind, “@” and the node, if one failed. */
  error?: string;
  /** A failure group's id, as the analysis of failures gives it. */
  group?: string;
  /** A version of the workflow, which is named too. */
  version?: number;
  /** A node that was executed; give created or created_from too. */
  node?: string;
  /** What the node is in now. */
  node_status?: "running" | "waiting" | "completed" | "failed" | "terminated";
  /** A model that was called; give created or created_from too. */
  model?: string;
  /** On attempts that failed; give created or created_from too. */
  spent?: "failed";
  /** Whether they retry another run. */
  is_retry?: "yes" | "no";
  /** Of failed runs: whether they were retried, and whether that helped. */
  retried?: "yes" | "recovered" | "no";
  /** Those that have started and ended. */
  timed?: "yes";
  /** Those that do not get on, or those of one class. */
  stuck?: "yes" | "lock" | "crash" | "network" | "executor" | "queue" | "broken" | "source" | "limit" | "paused" | "person";
  /** Where the runs' logs are. */
  logs?: "archived" | "live" | "partly" | "restored" | "archiving" | "restoring" | "damaged";
  /** Whether under legal hold. */
  held?: "yes" | "no";
  /** Text of an error; give created or created_from too. */
  q?: string;
}

export interface Counts {
  queued: number;
  running: number;
  completed: number;
  failed: number;
  terminated: number;
  all: number;
  /** Of these there are more: nothing is counted further than 10,000. */
  capped: string[];
}

export interface RunInput {
  /** The run's id. */
  id: string;
}

export interface Run {
  id: string;
  job_id: string;
  workflow_id: string;
  workflow_version: number;
  state: "created" | "active" | "completed" | "failed" | "terminated";
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  /** From start to end, or until now while the run is active. */
  duration_ms: number | null;
  trigger: "manual" | "api" | "schedule" | "webhook" | "event" | "automation";
  triggered_by: string;
  ref_type: string;
  ref_id: string;
  /** The run that this one retries. */
  retry_of: string | null;
  /** The run that the chain of retries began with. */
  first_run: string | null;
  /** US dollars. */
  cost: string;
  tokens: Tokens;
  nodes: NodeCount;
  current_node: string;
  error: RunError | null;
  ended_by: string;
  reason: string;
  /** Number of the newest event. */
  last_seq: number;
  /** Under legal hold: it is not deleted. */
  held: boolean;
  /** Where its events are: `live` and `restored`: all in the database; `archived`: none; `partly`: those that came after archiving; `archiving`, `restoring`: on their way. */
  log_state: "live" | "archiving" | "archived" | "partly" | "restoring" | "restored";
  /** When its log was archived, if it was. */
  archived_at: string | null;
  /** When a restored log leaves the database again. */
  restored_until: string | null;
  /** Nodes of a run that has ended which still finish their present operation. */
  draining: number;
  /** The run's page in the portal. */
  url: string;
}

export interface RunExport {
  export: ExportInfo;
  job: Job;
  context: Context;
  history: HistoryLine[];
  completeness: Completeness;
}

export interface ExportInfo {
  run_id: string;
  exported_at: string;
  last_seq: number;
}

export interface Job {
  job_id: string;
  dag_id: string;
  state: "created" | "active" | "completed" | "failed" | "terminated";
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  total_duration_ms: number | null;
  ref_id: string | null;
  ref_type: string | null;
}

export interface Context {
  run_id: string;
  workflow_id: string;
  workflow_version: number;
  input_data: unknown;
  nodes: Record<string, NodeContext>;
}

export interface NodeContext {
  started_at: string | null;
  completed_at: string | null;
  input: unknown;
  output: unknown;
  metadata: NodeMetadata;
}

export interface NodeMetadata {
  duration_ms: number | null;
  executor: string | null;
  kind: string;
  status: "pending" | "queued" | "running" | "waiting" | "completed" | "failed" | "skipped" | "terminated";
  attempts: number;
  error?: NodeError;
  /** Payloads left out because the context would be too large. */
  omitted?: ("input" | "output")[];
}

export interface NodeError {
  kind: string;
  message: string;
  trace?: string;
}

export interface HistoryLine {
  seq: number;
  kind: "run_created" | "state_changed" | "node_queued" | "node_started" | "node_completed" | "node_failed" | "node_skipped" | "path_selected" | "human_action" | "log" | "progress" | "llm_call" | "cost_update" | "late_result";
  at: string;
  node: string | null;
  attempt: number | null;
  actor: string | null;
  data: Record<string, unknown>;
}

export interface Completeness {
  events: number;
  missing: number;
}

export interface ExportInput {
  /** A state, or its word on the page. */
  status?: "queued" | "running" | "completed" | "failed" | "terminated" | "created" | "active";
  workflow_id?: string;
  /** A range that ends now. */
  created?: "1h" | "24h" | "7d" | "30d";
  /** A time such as 2026-11-21T14:59:00Z. */
  created_from?: string;
  /** A day alone is its end. */
  created_to?: string;
  /** The same as created_from. */
  created_after?: string;
  /** A day alone is its beginning. */
  created_before?: string;
  triggered_by?: string;
  trigger?: "manual" | "api" | "schedule" | "webhook" | "event" | "automation";
  /** A reference's id, or its beginning. */
  ref?: string;
  /** An error's kind, “@” and the node, if one failed. */
  error?: string;
  /** A failure group's id, as the analysis of failures gives it. */
  group?: string;
  /** A version of the workflow, which is named too. */
  version?: number;
  /** A node that was executed; give created or created_from too. */
  node?: string;
  /** What the node is in now. */
  node_status?: "running" | "waiting" | "completed" | "failed" | "terminated";
  /** A model that was called; give created or created_from too. */
  model?: string;
  /** On attempts that failed; give created or created_from too. */
  spent?: "failed";
  /** Whether they retry another run. */
  is_retry?: "yes" | "no";
  /** Of failed runs: whether they were retried, and whether that helped. */
  retried?: "yes" | "recovered" | "no";
  /** Those that have started and ended. */
  timed?: "yes";
  /** Those that do not get on, or those of one class. */
  stuck?: "yes" | "lock" | "crash" | "network" | "executor" | "queue" | "broken" | "source" | "limit" | "paused" | "person";
  /** Where the runs' logs are. */
  logs?: "archived" | "live" | "partly" | "restored" | "archiving" | "restoring" | "damaged";
  /** Whether under legal hold. */
  held?: "yes" | "no";
  /** Text of an error; give created or created_from too. */
  q?: string;
  /** The last answer's `export.next`: it goes on there. */
  cursor?: string | null;
}

export interface Export {
  export: FilterExportInfo;
  runs: ExportedRun[];
  count: number;
}

export interface FilterExportInfo {
  exported_at: string;
  filter: Record<string, string>;
  limit: number;
  /** false: there are more runs than the limit. */
  complete: boolean;
  /** Where there are more: the cursor with which the next begins. */
  next: string | null;
}

export interface ExportedRun {
  id: string;
  job_id: string;
  workflow_id: string;
  workflow_version: number;
  state: "created" | "active" | "completed" | "failed" | "terminated";
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  /** From start to end, or until now while the run is active. */
  duration_ms: number | null;
  trigger: "manual" | "api" | "schedule" | "webhook" | "event" | "automation";
  triggered_by: string;
  ref_type: string;
  ref_id: string;
  /** The run that this one retries. */
  retry_of: string | null;
  /** The run that the chain of retries began with. */
  first_run: string | null;
  /** US dollars. */
  cost: string;
  tokens: Tokens;
  nodes: NodeCount;
  current_node: string;
  error: RunError | null;
  ended_by: string;
  reason: string;
  /** Number of the newest event. */
  last_seq: number;
  /** Under legal hold: it is not deleted. */
  held: boolean;
  /** Where its events are: `live` and `restored`: all in the database; `archived`: none; `partly`: those that came after archiving; `archiving`, `restoring`: on their way. */
  log_state: "live" | "archiving" | "archived" | "partly" | "restoring" | "restored";
  /** When its log was archived, if it was. */
  archived_at: string | null;
  /** When a restored log leaves the database again. */
  restored_until: string | null;
  /** The run's page in the portal. */
  url: string;
  /** Events that are stored. */
  events: number;
  /** Events that should be and are not. */
  missing: number;
}

export interface RetryInput {
  /** Why; it is kept in the audit. */
  reason?: string;
  /** The run's id. */
  id: string;
  /** Go on from the failed node: results of nodes that completed are reused. */
  from_failed?: boolean;
}

export interface ActInput {
  /** Why; it is kept in the audit. */
  reason?: string;
  /** The run's id. */
  id: string;
}

export interface HoldInput {
  /** Why; it is kept in the audit. */
  reason: string;
  /** The run's id. */
  id: string;
}

export interface RestoreInput {
  /** Why; it is kept in the audit. */
  reason?: string;
  /** For how many days; without it as the retention's settings say. */
  days?: number;
  /** The run's id. */
  id: string;
}

export interface Bulk {
  id: string;
  kind: "retry" | "terminate" | "delete" | "export" | "hold" | "release" | "restore" | "rescue";
  state: "running" | "paused" | "finished" | "aborted";
  reason: string;
  by: string;
  created_at: string;
  ended_at: string | null;
  /** As it was frozen; null: runs were named, or are those that failed elsewhere. */
  filter: Record<string, string> | null;
  /** The operation whose failures it does. */
  failed_of: string | null;
  options: BulkOptions;
  /** Runs a second at most. */
  rate: number | null;
  /** How many runs were counted at its beginning. */
  at_least: number;
  /** null: not counted yet. */
  total: number | null;
  visited: number;
  done: number;
  skipped: number;
  failed: number;
  /** Runs, of late; of one that has ended, on average. */
  per_second: number | null;
  seconds_left: number | null;
  /** It ends before it visits more; null: however many there are. */
  expected_at_most: number | null;
  /** Why it does not move, if it does not; or why it ended by itself. */
  trouble: string;
  url: string;
}

export interface BulkOptions {
  from_failed?: boolean;
  format?: "json" | "ndjson" | "csv";
  with_logs?: boolean;
  days?: number;
}

export interface ProlongInput {
  /** Why; it is kept in the audit. */
  reason?: string;
  /** For how many days; without it as the retention's settings say. */
  days?: number;
  /** The run's id. */
  id: string;
}

export interface Deleted {
  /** The id of the run that is no more. */
  id: string;
}

export interface StreamInput {
  runId: string;
  /** The number of the last event that is known; without it all are given. */
  lastEventId?: string | null;
}

export interface RunEvent {
  seq: number;
  kind: "run_created" | "state_changed" | "node_queued" | "node_started" | "node_completed" | "node_failed" | "node_skipped" | "path_selected" | "human_action" | "log" | "progress" | "llm_call" | "cost_update" | "late_result";
  node: string;
  attempt: number | null;
  actor: string;
  at: string;
  data: Record<string, unknown>;
}

export type NoInput = Record<string, never>;

export interface Notice {
  runs: ChangedRun[];
  /** true: more may have changed than is said here; fetch what you show anew. */
  reset: boolean;
}

export interface ChangedRun {
  id: string;
  state: "created" | "active" | "completed" | "failed" | "terminated";
  /** Whether the run was not there before. */
  new: boolean;
}

export interface Timeline {
  run_id: string;
  started_at: string | null;
  completed_at: string | null;
  /** From start to end, or until now. */
  total_ms: number;
  /** Of that, time in which no node ran. */
  idle_ms: number;
  /** What most of it was spent on. */
  idle_cause: "queued" | "dependency" | "back_off" | "person" | "";
  /** Whether something is still running. */
  growing: boolean;
  /** Nodes that made the run take as long as it did. */
  critical_path: string[];
  rows: Row[];
}

export interface Row {
  node: string;
  status: "pending" | "queued" | "running" | "waiting" | "completed" | "failed" | "skipped" | "terminated";
  /** The run whose result this is, where it was not executed here. */
  reused_from: string | null;
  /** Whether it is on the critical path. */
  critical: boolean;
  queued_at: string | null;
  duration_ms: number | null;
  bars: Bar[];
  gaps: Gap[];
}

export interface Bar {
  attempt: number;
  status: "running" | "completed" | "failed" | "lost" | "late";
  started_at: string;
  completed_at: string | null;
  /** Until now while it is running. */
  duration_ms: number;
  worker: string;
  error_kind: string;
}

export interface Gap {
  cause: "queued" | "dependency" | "back_off" | "person";
  started_at: string;
  duration_ms: number;
}

export interface EventsInput {
  /** Only events of these kinds. */
  kind?: ("run_created" | "state_changed" | "node_queued" | "node_started" | "node_completed" | "node_failed" | "node_skipped" | "path_selected" | "human_action" | "log" | "progress" | "llm_call" | "cost_update" | "late_result")[];
  /** Only events of this node. */
  node?: string;
  /** Only events that say this, in any case, in their data or the names beside it. */
  text?: string;
  /** The run's id. */
  id: string;
  /** Most entries that are given. */
  limit?: number;
  /** Only events with a higher number. */
  after?: number;
}

export interface Events {
  events: RunEvent[];
  /** The `after` of the next page; null where this is the last. */
  next: number | null;
}

export interface WorkflowsInput {
  /** Most entries that are given. */
  limit?: number;
  /** The last given workflow's id: the list goes on behind it. */
  after?: string;
}

export interface Workflow {
  id: string;
  description: string;
  created_at: string;
  /** Number of the newest version. */
  version: number | null;
  /** Runs that may be active at once; others wait, queued. */
  max_active: number | null;
  /** Since when its queued runs wait; null: it is not paused. */
  paused_at: string | null;
  paused_by: string;
  pause_reason: string;
  /** The workflow's page in the portal. */
  url: string;
}

export interface WorkflowInput {
  /** The workflow's id. */
  id: string;
}

export interface WorkflowDetail {
  id: string;
  description: string;
  created_at: string;
  /** Number of the newest version. */
  version: number | null;
  /** Runs that may be active at once; others wait, queued. */
  max_active: number | null;
  /** Since when its queued runs wait; null: it is not paused. */
  paused_at: string | null;
  paused_by: string;
  pause_reason: string;
  /** The workflow's page in the portal. */
  url: string;
  definition: unknown;
  versions: Version[];
}

export interface Version {
  number: number;
  created_at: string;
  created_by: string | null;
}

export interface VersionsInput {
  /** The workflow's id. */
  id: string;
  /** Most entries that are given. */
  limit?: number;
  /** The last given version's number: the list goes on behind it. */
  before?: number;
}

export interface VersionInput {
  /** The workflow's id. */
  id: string;
  number: number;
}

export interface VersionDetail {
  number: number;
  created_at: string;
  created_by: string | null;
  definition: unknown;
}

export interface MakeWorkflowInput {
  /** Such as invoice_processing; it cannot be changed later. */
  id: string;
  /** Nodes, and what they need; see the README. */
  definition: Record<string, unknown>;
}

export interface PublishInput {
  /** Nodes, and what they need; see the README. */
  definition: Record<string, unknown>;
  /** Number of the version that yours is made from: refused if a newer one is there. */
  base?: number | null;
  /** The workflow's id. */
  id: string;
}

export interface ExecuteInput {
  /** The run's input; the workflow's schema applies. */
  input: unknown;
  /** Number of the version; without it the newest. */
  version?: number | null;
  /** A word of your own for what the run belongs to, such as “order”. */
  ref_type?: string;
  /** Its id with you. */
  ref_id?: string;
  workflow_id: string;
  /** A word of yours for this call: sent again within 24 hours, it starts nothing and gives the same answer. */
  idempotency_key?: string | null;
}

export interface Started {
  /** The new run's id. */
  id: string;
}

export interface PauseInput {
  /** Why; it is kept in the audit. */
  reason?: string;
  /** The workflow's id. */
  id: string;
}

export interface LimitWorkflowInput {
  /** Why; it is kept in the audit. */
  reason?: string;
  /** Runs that may be active at once; null: any number. */
  max_active: number | null;
  /** The workflow's id. */
  id: string;
}

export interface StartBulkInput {
  /** All that it finds; {}: all runs. */
  filter?: FilterInput;
  /** These, by their ids. */
  runs?: string[];
  /** Those for which this operation, which has ended, failed. */
  failed_of?: string;
  kind: "retry" | "terminate" | "delete" | "export" | "hold" | "release" | "restore" | "rescue";
  /** Why; kept in the audit. Needed to terminate, delete and hold. */
  reason?: string;
  /** Runs a second at most; null: as fast as it goes. */
  rate?: number | null;
  options?: MakeBulkOptions;
  /** Refused where the filter means more runs than this that the act can be done to; and where more come into it later, the operation ends before it visits them. Needed to delete by a filter: one that is wider than it was thought to be cannot be undone there. */
  expected_at_most?: number | null;
  /** A word of yours for this call: sent again within 24 hours, it starts nothing and gives the same answer. */
  idempotency_key?: string | null;
}

export interface FilterInput {
  /** A state, or its word on the page. */
  status?: "queued" | "running" | "completed" | "failed" | "terminated" | "created" | "active";
  workflow_id?: string;
  /** A range that ends now. */
  created?: "1h" | "24h" | "7d" | "30d";
  /** A time such as 2026-11-21T14:59:00Z. */
  created_from?: string;
  /** A day alone is its end. */
  created_to?: string;
  /** The same as created_from. */
  created_after?: string;
  /** A day alone is its beginning. */
  created_before?: string;
  triggered_by?: string;
  trigger?: "manual" | "api" | "schedule" | "webhook" | "event" | "automation";
  /** A reference's id, or its beginning. */
  ref?: string;
  /** An error's kind, “@” and the node, if one failed. */
  error?: string;
  /** A failure group's id, as the analysis of failures gives it. */
  group?: string;
  /** A version of the workflow, which is named too. */
  version?: number;
  /** A node that was executed; give created or created_from too. */
  node?: string;
  /** What the node is in now. */
  node_status?: "running" | "waiting" | "completed" | "failed" | "terminated";
  /** A model that was called; give created or created_from too. */
  model?: string;
  /** On attempts that failed; give created or created_from too. */
  spent?: "failed";
  /** Whether they retry another run. */
  is_retry?: "yes" | "no";
  /** Of failed runs: whether they were retried, and whether that helped. */
  retried?: "yes" | "recovered" | "no";
  /** Those that have started and ended. */
  timed?: "yes";
  /** Those that do not get on, or those of one class. */
  stuck?: "yes" | "lock" | "crash" | "network" | "executor" | "queue" | "broken" | "source" | "limit" | "paused" | "person";
  /** Where the runs' logs are. */
  logs?: "archived" | "live" | "partly" | "restored" | "archiving" | "restoring" | "damaged";
  /** Whether under legal hold. */
  held?: "yes" | "no";
  /** Text of an error; give created or created_from too. */
  q?: string;
}

export interface MakeBulkOptions {
  /** Of retry: go on from the failed node, with what was done before. */
  from_failed?: boolean;
  /** Of export: the kind of file. */
  format?: "json" | "ndjson" | "csv";
  /** Of export: with all events of each run. */
  with_logs?: boolean;
  /** Of restore: for how many days; without it as the retention's settings say. */
  days?: number;
}

export interface BulkInput {
  /** The operation's id. */
  id: string;
}

export interface BulkDetail {
  id: string;
  kind: "retry" | "terminate" | "delete" | "export" | "hold" | "release" | "restore" | "rescue";
  state: "running" | "paused" | "finished" | "aborted";
  reason: string;
  by: string;
  created_at: string;
  ended_at: string | null;
  /** As it was frozen; null: runs were named, or are those that failed elsewhere. */
  filter: Record<string, string> | null;
  /** The operation whose failures it does. */
  failed_of: string | null;
  options: BulkOptions;
  /** Runs a second at most. */
  rate: number | null;
  /** How many runs were counted at its beginning. */
  at_least: number;
  /** null: not counted yet. */
  total: number | null;
  visited: number;
  done: number;
  skipped: number;
  failed: number;
  /** Runs, of late; of one that has ended, on average. */
  per_second: number | null;
  seconds_left: number | null;
  /** It ends before it visits more; null: however many there are. */
  expected_at_most: number | null;
  /** Why it does not move, if it does not; or why it ended by itself. */
  trouble: string;
  url: string;
  export: BulkExport | null;
}

export interface BulkExport {
  runs: number;
  /** Events that are stored of these runs. */
  events: number;
  /** Events that should be and are not. */
  missing: number;
  /** Size of the file, unpacked, about. */
  bytes: number;
  /** Whether it can be downloaded. */
  is_ready: boolean;
  /** Until when. */
  until: string | null;
}

export interface BulksInput {
  /** Most entries that are given. */
  limit?: number;
  /** The last given one's: the list goes on behind it. */
  cursor?: string | null;
  kind?: "retry" | "terminate" | "delete" | "export" | "hold" | "release" | "restore" | "rescue";
  state?: "running" | "paused" | "finished" | "aborted";
}

export interface ListedBulk {
  id: string;
  kind: "retry" | "terminate" | "delete" | "export" | "hold" | "release" | "restore" | "rescue";
  state: "running" | "paused" | "finished" | "aborted";
  reason: string;
  by: string;
  created_at: string;
  ended_at: string | null;
  /** As it was frozen; null: runs were named, or are those that failed elsewhere. */
  filter: Record<string, string> | null;
  /** The operation whose failures it does. */
  failed_of: string | null;
  options: BulkOptions;
  /** Runs a second at most. */
  rate: number | null;
  /** How many runs were counted at its beginning. */
  at_least: number;
  /** null: not counted yet. */
  total: number | null;
  visited: number;
  done: number;
  skipped: number;
  failed: number;
  /** Runs, of late; of one that has ended, on average. */
  per_second: number | null;
  seconds_left: number | null;
  /** It ends before it visits more; null: however many there are. */
  expected_at_most: number | null;
  /** Why it does not move, if it does not; or why it ended by itself. */
  trouble: string;
  url: string;
  /** Where the list goes on behind this operation. */
  cursor: string;
}

export interface OutcomesInput {
  /** The operation's id. */
  id: string;
  /** Most entries that are given. */
  limit?: number;
  /** The last given entry's run: it goes on behind it. */
  cursor?: string | null;
  status?: "done" | "skipped" | "failed";
}

export interface BulkOutcome {
  run: string;
  status: "done" | "skipped" | "failed";
  reason: string;
  /** The run that a retry made. */
  new_run: string | null;
  /** When. */
  at: string | null;
}

export interface AgainInput {
  /** The operation's id. */
  id: string;
  /** A word of yours for this call: sent again within 24 hours, it starts nothing and gives the same answer. */
  idempotency_key?: string | null;
}

export interface DecisionsInput {
  /** Most entries that are given. */
  limit?: number;
  /** The last given question's: the list goes on behind it. */
  cursor?: string | null;
  /** All that are open, those that you may answer, or those decided. */
  show?: "open" | "mine" | "past";
}

export interface ListedDecision {
  run: string;
  node: string;
  workflow_id: string;
  title: string;
  /** User names; with no groups either: anybody. */
  people: string[];
  groups: string[];
  asked_at: string;
  /** When it is decided by itself; null: never. */
  due_at: string | null;
  decided_at: string | null;
  decided_by: string;
  act: "approved" | "rejected" | "corrected" | "withdrawn" | "";
  /** Where the list goes on behind this question. */
  cursor: string;
}

export interface DecisionInput {
  /** The run's id. */
  run: string;
  /** The node's id in the workflow. */
  node: string;
}

export interface DecisionDetail {
  run: string;
  node: string;
  workflow_id: string;
  title: string;
  /** User names; with no groups either: anybody. */
  people: string[];
  groups: string[];
  asked_at: string;
  /** When it is decided by itself; null: never. */
  due_at: string | null;
  decided_at: string | null;
  decided_by: string;
  act: "approved" | "rejected" | "corrected" | "withdrawn" | "";
  instructions: string;
  input: Record<string, unknown>;
  value: unknown;
  form: Record<string, unknown> | null;
}

export interface AnswerInput {
  act: "approved" | "rejected" | "corrected";
  /** The correction; fits the form. */
  value?: unknown;
  comment?: string;
  /** The run's id. */
  run: string;
  /** The node's id in the workflow. */
  node: string;
}

export interface StuckInput {
  /** Most entries that are given. */
  limit?: number;
  /** The last given one's: the list goes on behind it. */
  cursor?: string | null;
  /** Those of this class. */
  cause?: "lock" | "crash" | "network" | "executor" | "queue" | "broken" | "source" | "limit" | "paused" | "person";
  workflow_id?: string;
}

export interface ListedStuck {
  run: string;
  /** Empty: the run as a whole. */
  node: string;
  workflow_id: string;
  /** The run's. */
  state: string;
  /** The class. `lock`: database lock, `crash`: worker lost, `network`: network time-out, `executor`: executor silent, `queue`: queue, `broken`: nothing under way, `source`: source silent, `limit`: limit, `paused`: workflow paused, `person`: person. */
  cause: "lock" | "crash" | "network" | "executor" | "queue" | "broken" | "source" | "limit" | "paused" | "person";
  since: string;
  /** When it was found in this class first. */
  found_at: string;
  /** When it was looked at last. */
  checked_at: string;
  words: string;
  /** What a person can do about it. */
  act: string;
  /** What one press of its page does; `rerun`, `hint` and `settle` are also done by `POST /api/runs/{id}/rescue/`. */
  rescue: "rerun" | "hint" | "settle" | "resume" | "decide" | "close" | "";
  /** For a shell, or PostgreSQL. */
  command: string;
  evidence: Fact[];
  /** Where the list goes on behind this one. */
  cursor: string;
}

export interface Fact {
  name: string;
  words: string;
  at: string | null;
}

export interface TriggersInput {
  /** Most entries that are given. */
  limit?: number;
  /** The last given trigger's name: the list goes on behind it. */
  after?: string;
  kind?: "schedule" | "webhook" | "event" | "automation";
  /** Only those that are on, or off. */
  enabled?: boolean | null;
  /** Only those that start runs of this workflow, or wait for something in its runs. */
  workflow?: string;
  /** Only those whose name holds these letters. */
  name?: string;
}

export interface Trigger {
  id: number;
  name: string;
  description: string;
  kind: "schedule" | "webhook" | "event" | "automation";
  /** Whether it is on. */
  enabled: boolean;
  /** Of a schedule that is on. */
  next_due_at: string | null;
  /** Of a webhook: where its calls go. */
  hook_url: string | null;
  /** Counts its changes. */
  revision: number;
  created_at: string;
  created_by: string | null;
  changed_at: string;
}

export interface TriggerInput {
  /** The trigger's number. */
  id: number;
}

export interface TriggerDetail {
  id: number;
  name: string;
  description: string;
  kind: "schedule" | "webhook" | "event" | "automation";
  /** Whether it is on. */
  enabled: boolean;
  /** Of a schedule that is on. */
  next_due_at: string | null;
  /** Of a webhook: where its calls go. */
  hook_url: string | null;
  /** Counts its changes. */
  revision: number;
  created_at: string;
  created_by: string | null;
  changed_at: string;
  /** When, if and then; see the README. */
  rule: Record<string, unknown>;
}

export interface MakeTriggerInput {
  name: string;
  description?: string;
  kind: "schedule" | "webhook" | "event" | "automation";
  /** When, if and then; see the README. */
  rule: Record<string, unknown>;
  enabled?: boolean;
}

export interface NewTrigger {
  id: number;
  name: string;
  description: string;
  kind: "schedule" | "webhook" | "event" | "automation";
  /** Whether it is on. */
  enabled: boolean;
  /** Of a schedule that is on. */
  next_due_at: string | null;
  /** Of a webhook: where its calls go. */
  hook_url: string | null;
  /** Counts its changes. */
  revision: number;
  created_at: string;
  created_by: string | null;
  changed_at: string;
  /** When, if and then; see the README. */
  rule: Record<string, unknown>;
  /** Of a webhook: what its calls are signed with, `whsec_…`. */
  secret: string | null;
}

export interface ChangeTriggerInput {
  /** The trigger's when you read it: refused if somebody changed it since. */
  revision: number;
  name?: string;
  description?: string;
  /** When, if and then; see the README. */
  rule?: Record<string, unknown>;
  /** The trigger's number. */
  id: number;
}

export interface SwitchTriggerInput {
  /** Why; it is kept in the audit. */
  reason?: string;
  on: boolean;
  /** The trigger's number. */
  id: number;
}

export interface Secret {
  hook_url: string;
  secret: string;
}

export interface DeleteTriggerInput {
  /** Why; it is kept in the audit. */
  reason?: string;
  /** The trigger's number. */
  id: number;
}

export interface DeletedTrigger {
  /** The number of the trigger that is no more. */
  id: number;
}

export interface FiringsInput {
  /** The trigger's number. */
  id: number;
  /** Most entries that are given. */
  limit?: number;
  /** The last given firing's number: the list goes on behind it. */
  before?: number;
  /** Only these. */
  status?: "started" | "skipped" | "refused" | "failed";
}

export interface Firing {
  id: number;
  fired_at: string;
  status: "started" | "skipped" | "refused" | "failed";
  reason: string;
  outcomes: Outcome[];
  /** How many alike stand in this entry. */
  count: number;
  is_test: boolean;
  /** The run whose event it was. */
  cause: string | null;
}

export interface Outcome {
  target: string;
  /** The run that was started; empty where none was. */
  run: string;
  /** Why none was. */
  why: string;
}

export interface FiringInput {
  /** The trigger's number. */
  id: number;
  /** The firing's. */
  number: number;
}

export interface FiringDetail {
  id: number;
  fired_at: string;
  status: "started" | "skipped" | "refused" | "failed";
  reason: string;
  outcomes: Outcome[];
  /** How many alike stand in this entry. */
  count: number;
  is_test: boolean;
  /** The run whose event it was. */
  cause: string | null;
  /** What happened; parts that are too large are left out. */
  payload: Record<string, unknown> | null;
}

export interface TryTriggerInput {
  /** What it is to meet, by the names that its rule's paths begin with; without it, what it met last or might meet. */
  payload?: Record<string, unknown>;
  /** true: do it in earnest, also where it is off. */
  start?: boolean;
  /** The trigger's number. */
  id: number;
}

export interface Tried {
  payload: Record<string, unknown>;
  /** Whether the rule's condition holds. */
  holds: boolean;
  targets: Trial[];
  /** What was done, with `start`. */
  firing: Firing | null;
}

export interface Trial {
  target: string;
  /** What a run would be started with, or was. */
  input: unknown;
  /** Why it could not be started. */
  why: string;
  /** How the input breaks the workflow's schema. */
  violations: string[];
}

export interface ViewsInput {
  /** Most entries that are given. */
  limit?: number;
  /** The last given view's id: the list goes on behind it. */
  after?: string;
}

export interface SavedView {
  id: string;
  name: string;
  /** What the list's address says, `?state=failed`. */
  query: string;
  is_shared: boolean;
  /** Whether Runs opens it for you. */
  is_default: boolean;
  is_mine: boolean;
  owner: string;
  /** The list as this view shows it. */
  url: string;
}

export interface ViewInput {
  /** The view's id. */
  id: string;
}

export interface MakeViewInput {
  name: string;
  /** As in the list's address: filter, order and columns. */
  query: string;
  /** Seen by all staff. */
  is_shared?: boolean;
  /** Runs opens it for you. */
  is_default?: boolean;
}

export interface ChangeViewInput {
  name?: string;
  /** As in the list's address: filter, order and columns. */
  query?: string;
  /** Seen by all staff. */
  is_shared?: boolean;
  /** Runs opens it for you. */
  is_default?: boolean;
  /** The view's id. */
  id: string;
}

export interface DeletedView {
  /** The id of the view that is no more. */
  id: string;
}

export interface Token {
  id: string;
  name: string;
  /** What the token begins with. */
  prefix: string;
  scopes: ("view" | "execute" | "retry" | "terminate" | "export" | "delete" | "hold" | "restore" | "decide" | "workflows" | "triggers" | "views" | "ingest" | "mark" | "retention")[];
  created_at: string;
  expires_at: string | null;
  /** To the minute. */
  last_used_at: string | null;
  revoked_at: string | null;
}

export interface TokenInput {
  /** The token's id, not the token. */
  id: string;
}

export interface Retention {
  /** Days after its end that a completed run's log stays. */
  completed_days: number;
  /** Days after its end that a failed run's log stays. */
  failed_days: number;
  /** Days after its end that a terminated run's log stays. */
  terminated_days: number;
  /** Days after its end after which a run goes for good, with its archive; null: never. */
  delete_days: number | null;
  /** Days that a restored log stays. */
  restore_days: number;
  /** When the night's work begins, in `zone`. */
  hour: number;
  /** A time zone such as Europe/Berlin. */
  zone: string;
  /** Whether anything is archived at night. */
  is_on: boolean;
  /** Those with days of their own: all of them. */
  workflows: WorkflowRetention[];
  /** Send it along with a change. */
  revision: string;
  /** When the work would begin next, on or off. */
  next_night: string;
}

export interface WorkflowRetention {
  workflow_id: string;
  /** Of completed runs. */
  completed_days?: number | null;
  /** Of failed runs. */
  failed_days?: number | null;
  /** Of terminated runs. */
  terminated_days?: number | null;
  /** Days after which its runs go for good. */
  delete_days?: number | null;
  /** Its runs never go for good by their age. */
  never_deleted?: boolean;
}

export interface ChangeRetentionInput {
  /** Days after its end that a completed run's log stays. */
  completed_days?: number;
  /** Days after its end that a failed run's log stays. */
  failed_days?: number;
  /** Days after its end that a terminated run's log stays. */
  terminated_days?: number;
  /** Days after its end after which a run goes for good, with its archive; null: never. */
  delete_days?: number | null;
  /** Days that a restored log stays. */
  restore_days?: number;
  /** When the night's work begins, in `zone`. */
  hour?: number;
  /** A time zone such as Europe/Berlin. */
  zone?: string;
  /** Whether anything is archived at night. */
  is_on?: boolean;
  /** Those with days of their own: all of them. */
  workflows?: WorkflowRetention[];
  /** Of the policy that you changed: another one is refused. */
  revision: string;
  /** Needed where the second term is switched on or shortened: runs go for good. */
  confirm_deletion?: boolean;
  /** Why; it is kept in the audit. */
  reason?: string;
}

export interface TryRetentionInput {
  /** Days after its end that a completed run's log stays. */
  completed_days?: number;
  /** Days after its end that a failed run's log stays. */
  failed_days?: number;
  /** Days after its end that a terminated run's log stays. */
  terminated_days?: number;
  /** Days after its end after which a run goes for good, with its archive; null: never. */
  delete_days?: number | null;
  /** Days that a restored log stays. */
  restore_days?: number;
  /** When the night's work begins, in `zone`. */
  hour?: number;
  /** A time zone such as Europe/Berlin. */
  zone?: string;
  /** Whether anything is archived at night. */
  is_on?: boolean;
  /** Those with days of their own: all of them. */
  workflows?: WorkflowRetention[];
}

export interface RetentionPreview {
  /** The night that it is of. */
  at: string;
  /** false: nothing of it happens. */
  is_on: boolean;
  /** By the policy as it is saved. */
  saved: RetentionSide;
  /** Its night with the given values. */
  changed_at: string | null;
  /** With the given values; null where nothing is another. */
  changed: RetentionSide | null;
  /** More runs are held than were looked at. */
  held_is_capped: boolean;
}

export interface RetentionSide {
  runs: number;
  then_gone: number;
  held: number;
  /** Restored logs that leave the database again; not exact: so many or more. */
  expired: Amount;
  oldest: string | null;
  newest: string | null;
  events: Amount;
  bytes: Amount;
  /** What goes for good, by the second term. */
  gone: RetentionGone;
  /** By workflow and state. */
  lines: RetentionLine[];
}

export interface Amount {
  /** null: not known. */
  value: number | null;
  /** false: estimated from a sample. */
  is_exact: boolean;
}

export interface RetentionGone {
  /** Archived runs past the second term. */
  runs: Amount;
  /** What their archives take in storage. */
  bytes: Amount;
}

export interface RetentionLine {
  workflow_id: string;
  state: "completed" | "failed" | "terminated";
  /** Runs that ended before this are due. */
  before: string;
  /** Whose logs are archived. */
  runs: number;
  /** Of these: past the second term too, so that they go for good then. */
  then_gone: number;
  /** Archived already and past the second term: they go for good. */
  gone: number;
  /** Due, but under legal hold: left alone. */
  held: number;
  /** When the first of them ended. */
  oldest: string | null;
  newest: string | null;
  events: Amount;
  /** What the events take in the database. */
  bytes: Amount;
}

export interface BeginInput {
  kind: "archive" | "sweep" | "check";
  /** It counts, and writes and deletes nothing. */
  dry_run?: boolean;
  /** Why; it is kept in the audit. */
  reason?: string;
  options?: BeginOptions;
  /** A word of yours for this call: sent again within 24 hours, it starts nothing and gives the same answer. */
  idempotency_key?: string | null;
}

export interface BeginOptions {
  /** Of check: how many objects are read, those first that were read longest ago; null: all. Usually 1,000. */
  most?: number | null;
  /** Of sweep: delete what nothing names, and mark what is lost, also where that is over a tenth of all. Of check: mark what is lost also where storage has none of the logs that are looked for, as where its folder is not mounted. */
  however_many?: boolean;
}

export interface Execution {
  id: string;
  kind: "archive" | "sweep" | "check";
  state: "running" | "finished" | "aborted" | "failed";
  dry_run: boolean;
  night: string | null;
  by: string;
  reason: string;
  /** As asked for; of an archive run the policy at the start, also of workflows that have days of their own; of a night when it was due. */
  options: Record<string, unknown>;
  created_at: string;
  ended_at: string | null;
  /** Why it waits, or gave up; it goes on by itself. */
  trouble: string;
  trouble_since: string | null;
  /** When it is tried again. */
  next_at: string | null;
  waits: Wait[];
  /** Who ended it by hand; else empty. */
  aborted_by: string;
  abort_reason: string;
  /** Runs looked at, those that went for good too; of sweep and check: objects. */
  seen: number;
  /** How many it will look at, about; null: not known. */
  expected: number | null;
  archived: number;
  /** Objects read back and found whole. */
  verified: number;
  /** Restored logs whose time was over. */
  expired: number;
  /** Runs that went for good, by their age. */
  deleted_runs: number;
  skipped: number;
  errors: number;
  /** Findings, of which the first 10,000 are kept, for 90 days after the end. */
  found: number;
  /** Events that left the database. */
  events: number;
  /** Of the events' lines. */
  unpacked_bytes: number;
  /** Of the objects. */
  bytes: number;
  seconds_worked: number;
  report: Report;
  url: string;
}

export interface Wait {
  since: string;
  until: string;
  why: string;
}

export interface Report {
  /** What is due. */
  terms?: DueLine[];
  /** Archived runs that would go for good. */
  deleted?: GoneLine[];
  /** All runs that would go for good, also just after archiving. */
  gone?: number;
  /** Restored logs that would leave the database again. */
  expired?: number;
  /** Left half archived. */
  unfinished?: number;
  objects?: number;
  /** Which no run or export names. */
  orphans?: number;
  /** None of the portal's, by name. */
  strange?: number;
  /** Named, and not there as put. */
  lost?: number;
  /** Orphans that are to be deleted. */
  doomed?: number;
  /** Unfinished ones, removed. */
  leftovers?: number;
  /** Archived logs that there were. */
  there?: number;
}

export interface DueLine {
  /** Its id; empty: it is not there any more. */
  workflow: string;
  state: "completed" | "failed" | "terminated";
  runs: number;
  events: number;
  /** Of the runs: would go for good just after it. */
  gone: number;
  /** Freed in the database, about. */
  bytes: number;
  /** When the first of them ended. */
  oldest: string;
  newest: string;
}

export interface GoneLine {
  /** Its id; empty: it is not there any more. */
  workflow: string;
  runs: number;
  /** In storage. */
  bytes: number;
  /** When the first of them ended. */
  oldest: string;
  newest: string;
}

export interface ExecutionInput {
  /** The execution's id. */
  id: string;
}

export interface ExecutionsInput {
  /** Most entries that are given. */
  limit?: number;
  /** The last given one's: the list goes on behind it. */
  cursor?: string | null;
  kind?: "archive" | "sweep" | "check";
  state?: "running" | "finished" | "aborted" | "failed";
}

export interface ListedExecution {
  id: string;
  kind: "archive" | "sweep" | "check";
  state: "running" | "finished" | "aborted" | "failed";
  dry_run: boolean;
  night: string | null;
  by: string;
  reason: string;
  /** As asked for; of an archive run the policy at the start, also of workflows that have days of their own; of a night when it was due. */
  options: Record<string, unknown>;
  created_at: string;
  ended_at: string | null;
  /** Why it waits, or gave up; it goes on by itself. */
  trouble: string;
  trouble_since: string | null;
  /** When it is tried again. */
  next_at: string | null;
  waits: Wait[];
  /** Who ended it by hand; else empty. */
  aborted_by: string;
  abort_reason: string;
  /** Runs looked at, those that went for good too; of sweep and check: objects. */
  seen: number;
  /** How many it will look at, about; null: not known. */
  expected: number | null;
  archived: number;
  /** Objects read back and found whole. */
  verified: number;
  /** Restored logs whose time was over. */
  expired: number;
  /** Runs that went for good, by their age. */
  deleted_runs: number;
  skipped: number;
  errors: number;
  /** Findings, of which the first 10,000 are kept, for 90 days after the end. */
  found: number;
  /** Events that left the database. */
  events: number;
  /** Of the events' lines. */
  unpacked_bytes: number;
  /** Of the objects. */
  bytes: number;
  seconds_worked: number;
  report: Report;
  url: string;
  /** Where the list goes on behind this execution. */
  cursor: string;
}

export interface AbortInput {
  /** Why; it is kept in the audit. */
  reason?: string;
  /** The execution's id. */
  id: string;
}

export interface FindingsInput {
  /** The execution's id. */
  id: string;
  /** Most entries that are given. */
  limit?: number;
  /** The last given finding's id: it goes on behind it. */
  cursor?: string | null;
}

export interface Finding {
  id: number;
  at: string;
  run: string | null;
  object: string;
  problem: string;
  /** What was done about it, if anything. */
  act: string;
}

export interface FailuresInput {
  /** A state, or its word on the page. */
  status?: "queued" | "running" | "completed" | "failed" | "terminated" | "created" | "active";
  workflow_id?: string;
  /** A range that ends now. */
  created?: "1h" | "24h" | "7d" | "30d";
  /** A time such as 2026-11-21T14:59:00Z. */
  created_from?: string;
  /** A day alone is its end. */
  created_to?: string;
  /** The same as created_from. */
  created_after?: string;
  /** A day alone is its beginning. */
  created_before?: string;
  triggered_by?: string;
  trigger?: "manual" | "api" | "schedule" | "webhook" | "event" | "automation";
  /** A reference's id, or its beginning. */
  ref?: string;
  /** An error's kind, “@” and the node, if one failed. */
  error?: string;
  /** A failure group's id, as the analysis of failures gives it. */
  group?: string;
  /** A version of the workflow, which is named too. */
  version?: number;
  /** A node that was executed; give created or created_from too. */
  node?: string;
  /** What the node is in now. */
  node_status?: "running" | "waiting" | "completed" | "failed" | "terminated";
  /** A model that was called; give created or created_from too. */
  model?: string;
  /** On attempts that failed; give created or created_from too. */
  spent?: "failed";
  /** Whether they retry another run. */
  is_retry?: "yes" | "no";
  /** Of failed runs: whether they were retried, and whether that helped. */
  retried?: "yes" | "recovered" | "no";
  /** Those that have started and ended. */
  timed?: "yes";
  /** Those that do not get on, or those of one class. */
  stuck?: "yes" | "lock" | "crash" | "network" | "executor" | "queue" | "broken" | "source" | "limit" | "paused" | "person";
  /** Where the runs' logs are. */
  logs?: "archived" | "live" | "partly" | "restored" | "archiving" | "restoring" | "damaged";
  /** Whether under legal hold. */
  held?: "yes" | "no";
  /** Text of an error; give created or created_from too. */
  q?: string;
  /** `before`, `none`, or another version such as `v3`. */
  compare?: string;
  /** Largest first. */
  sort?: "runs" | "last_seen" | "first_seen" | "retry";
  /** Of the table. */
  page?: number;
}

export interface Failures {
  /** Which runs it is about, as it was understood. */
  filter: Record<string, string>;
  /** `before`, `none`, or another version such as `v3`. */
  compared_with: string;
  /** What happened later may not be counted yet. */
  counted_until: string | null;
  figures: Figure[];
  trend: FailedBar[];
  /** Of this page. */
  groups: FailureGroup[];
  /** On all pages. */
  group_count: number;
}

export interface Figure {
  label: string;
  /** A count, a share of 1, milliseconds, or money as decimal text; null: nothing to tell. */
  value: number | string | null;
  /** The same of what it is compared with. */
  before: number | string | null;
  /** As the portal's page writes it. */
  words: string;
  /** The API's list of the runs behind it; null where no filter says which. */
  runs_url: string | null;
}

export interface FailedBar {
  /** The beginning of the hours or the day. */
  at: string;
  failed: number;
  /** The API's list of the runs behind it; null where no filter says which. */
  runs_url: string | null;
}

export interface FailureGroup {
  id: string;
  kind: string;
  /** Empty: it failed before any node. */
  node: string;
  /** With # for what differs from run to run. */
  message: string;
  /** The newest message, as it was. */
  sample: string;
  workflows: string[];
  /** That failed so, of those that are asked about. */
  runs: number;
  /** Of them: runs that were retried. */
  retried: number;
  /** Of these: runs of which a retry completed. */
  recovered: number;
  median_ms_to_failure: number | null;
  /** The version with which it first came. */
  since: string;
  /** It was first seen in this time. */
  is_new: boolean;
  mark: "new" | "known" | "resolved" | "";
  first_seen: string | null;
  last_seen: string | null;
  /** The API's list of the runs behind it; null where no filter says which. */
  runs_url: string | null;
}

export interface CostInput {
  /** A state, or its word on the page. */
  status?: "queued" | "running" | "completed" | "failed" | "terminated" | "created" | "active";
  workflow_id?: string;
  /** A range that ends now. */
  created?: "1h" | "24h" | "7d" | "30d";
  /** A time such as 2026-11-21T14:59:00Z. */
  created_from?: string;
  /** A day alone is its end. */
  created_to?: string;
  /** The same as created_from. */
  created_after?: string;
  /** A day alone is its beginning. */
  created_before?: string;
  triggered_by?: string;
  trigger?: "manual" | "api" | "schedule" | "webhook" | "event" | "automation";
  /** A reference's id, or its beginning. */
  ref?: string;
  /** An error's kind, “@” and the node, if one failed. */
  error?: string;
  /** A failure group's id, as the analysis of failures gives it. */
  group?: string;
  /** A version of the workflow, which is named too. */
  version?: number;
  /** A node that was executed; give created or created_from too. */
  node?: string;
  /** What the node is in now. */
  node_status?: "running" | "waiting" | "completed" | "failed" | "terminated";
  /** A model that was called; give created or created_from too. */
  model?: string;
  /** On attempts that failed; give created or created_from too. */
  spent?: "failed";
  /** Whether they retry another run. */
  is_retry?: "yes" | "no";
  /** Of failed runs: whether they were retried, and whether that helped. */
  retried?: "yes" | "recovered" | "no";
  /** Those that have started and ended. */
  timed?: "yes";
  /** Those that do not get on, or those of one class. */
  stuck?: "yes" | "lock" | "crash" | "network" | "executor" | "queue" | "broken" | "source" | "limit" | "paused" | "person";
  /** Where the runs' logs are. */
  logs?: "archived" | "live" | "partly" | "restored" | "archiving" | "restoring" | "damaged";
  /** Whether under legal hold. */
  held?: "yes" | "no";
  /** Text of an error; give created or created_from too. */
  q?: string;
  /** `before`, `none`, or another version such as `v3`. */
  compare?: string;
  /** Largest first. */
  sort?: "cost" | "tokens" | "count";
}

export interface Costs {
  /** Which runs it is about, as it was understood. */
  filter: Record<string, string>;
  /** `before`, `none`, or another version such as `v3`. */
  compared_with: string;
  /** What happened later may not be counted yet. */
  counted_until: string | null;
  figures: Figure[];
  total: string;
  calls: number;
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  /** On attempts that failed, were lost or came late. */
  on_failed_attempts: string;
  /** In runs that retry another one. */
  on_retries: string;
  trend: CostBar[];
  workflows: CostLine[];
  nodes: CostLine[];
  models: CostLine[];
  /** By who triggered the runs. */
  people: CostLine[];
  /** What the lines that are left out come to. */
  not_listed: CostRest;
  /** The most expensive ones. */
  runs: DearRun[];
}

export interface CostBar {
  /** The beginning of the hours or the day. */
  at: string;
  cost: string;
  /** The API's list of the runs behind it; null where no filter says which. */
  runs_url: string | null;
}

export interface CostLine {
  name: string;
  cost: string;
  /** Of what it is compared with. */
  before: string | null;
  tokens: number;
  /** Model calls; of people: runs. */
  count: number;
  /** The API's list of the runs behind it; null where no filter says which. */
  runs_url: string | null;
}

export interface CostRest {
  workflows: string;
  nodes: string;
  models: string;
  people: string;
}

export interface DearRun {
  id: string;
  workflow: string;
  cost: string;
}

export interface DurationInput {
  /** A state, or its word on the page. */
  status?: "queued" | "running" | "completed" | "failed" | "terminated" | "created" | "active";
  workflow_id?: string;
  /** A range that ends now. */
  created?: "1h" | "24h" | "7d" | "30d";
  /** A time such as 2026-11-21T14:59:00Z. */
  created_from?: string;
  /** A day alone is its end. */
  created_to?: string;
  /** The same as created_from. */
  created_after?: string;
  /** A day alone is its beginning. */
  created_before?: string;
  triggered_by?: string;
  trigger?: "manual" | "api" | "schedule" | "webhook" | "event" | "automation";
  /** A reference's id, or its beginning. */
  ref?: string;
  /** An error's kind, “@” and the node, if one failed. */
  error?: string;
  /** A failure group's id, as the analysis of failures gives it. */
  group?: string;
  /** A version of the workflow, which is named too. */
  version?: number;
  /** A node that was executed; give created or created_from too. */
  node?: string;
  /** What the node is in now. */
  node_status?: "running" | "waiting" | "completed" | "failed" | "terminated";
  /** A model that was called; give created or created_from too. */
  model?: string;
  /** On attempts that failed; give created or created_from too. */
  spent?: "failed";
  /** Whether they retry another run. */
  is_retry?: "yes" | "no";
  /** Of failed runs: whether they were retried, and whether that helped. */
  retried?: "yes" | "recovered" | "no";
  /** Those that have started and ended. */
  timed?: "yes";
  /** Those that do not get on, or those of one class. */
  stuck?: "yes" | "lock" | "crash" | "network" | "executor" | "queue" | "broken" | "source" | "limit" | "paused" | "person";
  /** Where the runs' logs are. */
  logs?: "archived" | "live" | "partly" | "restored" | "archiving" | "restoring" | "damaged";
  /** Whether under legal hold. */
  held?: "yes" | "no";
  /** Text of an error; give created or created_from too. */
  q?: string;
  /** `before`, `none`, or another version such as `v3`. */
  compare?: string;
  /** Largest first. */
  sort?: "share" | "p50" | "p95" | "longest" | "queued" | "change";
  /** Of the table. */
  page?: number;
}

export interface Durations {
  /** Which runs it is about, as it was understood. */
  filter: Record<string, string>;
  /** `before`, `none`, or another version such as `v3`. */
  compared_with: string;
  /** What happened later may not be counted yet. */
  counted_until: string | null;
  figures: Figure[];
  /** Those that have started and ended. */
  runs: number;
  trend: DurationBar[];
  /** Or the versions of one. */
  workflows: WorkflowTime[];
  /** Of this page. */
  nodes: NodeTime[];
  /** On all pages. */
  node_count: number;
  /** Only where the filter is a workflow and a time. */
  sample: Sample | null;
}

export interface DurationBar {
  /** The beginning of the hours or the day. */
  at: string;
  p50_ms: number | null;
  p95_ms: number | null;
  /** The API's list of the runs behind it; null where no filter says which. */
  runs_url: string | null;
}

export interface WorkflowTime {
  workflow: string;
  /** Where the filter is one workflow; else null: all of it. */
  version: number | null;
  runs: number;
  p50_ms: number | null;
  p95_ms: number | null;
  p95_ms_before: number | null;
  /** From creation to start, on average. */
  waited_ms: number;
  parallel_efficiency: number | null;
  parallel_efficiency_before: number | null;
  /** The API's list of the runs behind it; null where no filter says which. */
  runs_url: string | null;
}

export interface NodeTime {
  workflow: string;
  node: string;
  kind: string;
  /** Runs in which it was executed. */
  executed: number;
  /** Of them: runs in which it failed. */
  failed: number;
  p50_ms: number | null;
  p95_ms: number | null;
  p95_ms_before: number | null;
  longest_ms: number;
  /** Of the time in which nodes worked. */
  share: number;
  /** On average. */
  queued_ms: number;
  queued_ms_before: number | null;
  /** Between attempts, on average. */
  backoff_ms: number;
  /** The API's list of the runs behind it; null where no filter says which. */
  runs_url: string | null;
  /** The API's list of the runs behind it; null where no filter says which. */
  failed_runs_url: string | null;
}

export interface Sample {
  runs: number;
  /** What they would take if nothing waited that need not, of what they took. */
  parallel_efficiency: number | null;
  /** On average. */
  nodes_at_once: number | null;
  /** Shares of 1, by cause. */
  spent_on: Record<string, number>;
}

export interface Overview {
  /** What happened later may not be counted yet. */
  counted_until: string;
  now: RunsNow;
  figures: Figure[];
  /** Most urgent first. */
  changes: Change[];
  /** Runs by the state that they are in now. */
  trend: StatesBar[];
  /** Those that failed most, then most run. */
  workflows: WorkflowDay[];
}

export interface RunsNow {
  active: number;
  queued: number;
  /** Questions that wait for a person. */
  waiting: number;
  /** Runs that do not get on. */
  stuck: number;
}

export interface Change {
  kind: string;
  title: string;
  evidence: string;
  /** The page that shows it. */
  url: string;
}

export interface StatesBar {
  /** The beginning of the hour. */
  at: string;
  completed: number;
  failed: number;
  terminated: number;
  active: number;
  created: number;
}

export interface WorkflowDay {
  workflow: string;
  runs: number;
  failed: number;
  /** Of the runs that completed or failed. */
  failure_rate: number | null;
  /** In the seven days before. */
  failure_rate_before: number | null;
  p95_ms: number | null;
  cost: string;
  /** The API's list of the runs behind it; null where no filter says which. */
  runs_url: string | null;
  /** The API's list of the runs behind it; null where no filter says which. */
  failed_runs_url: string | null;
}

export interface RunAnalysis {
  run_id: string;
  workflow: string;
  version: number;
  state: "created" | "active" | "completed" | "failed" | "terminated";
  is_final: boolean;
  usual: Usual;
  /** null: it has not started. */
  duration: Compared | null;
  waited: Waited;
  /** null: it has not started. */
  time: RunTime | null;
  /** Those that were begun, first those that took longest beyond usual. */
  nodes: NodeCompared[];
  cost: RunCost;
  /** Of a run that failed. */
  failure: Why | null;
}

export interface Usual {
  runs: number;
  /** null: of all versions. */
  version: number | null;
  since: string;
  until: string;
  /** false: they are too few to compare with. */
  is_known: boolean;
  parallel_efficiency: number | null;
}

export interface Compared {
  /** So far, where it has not ended. */
  ms: number;
  /** What is usual. */
  p50_ms: number | null;
  p95_ms: number | null;
  /** How many times the median. */
  factor: number | null;
  /** Than 95 of 100. */
  is_longer: boolean;
}

export interface Waited {
  /** From creation to start. */
  ms: number;
  /** What is usual. */
  mean_ms: number | null;
}

export interface RunTime {
  total_ms: number;
  /** Milliseconds by cause; together they are the total. */
  spent_on: Record<string, number>;
  /** All nodes' work, one after the other. */
  work_ms: number;
  /** With each node begun as soon as it could. */
  ideal_ms: number;
  /** The ideal, of what it took. */
  parallel_efficiency: number | null;
  critical_path: PathNode[];
}

export interface PathNode {
  node: string;
  ms: number;
  /** Of the run's time. */
  share: number;
  /** Since what it waited for had ended. */
  waited_ms: number;
}

export interface NodeCompared {
  /** So far, where it has not ended. */
  ms: number;
  /** What is usual. */
  p50_ms: number | null;
  p95_ms: number | null;
  /** How many times the median. */
  factor: number | null;
  /** Than 95 of 100. */
  is_longer: boolean;
  node: string;
  kind: string;
  status: "pending" | "queued" | "running" | "waiting" | "completed" | "failed" | "skipped" | "terminated";
  attempts: number;
  /** That the usual is of. */
  of_runs: number;
  queued_ms: number;
  /** What is usual. */
  queued_mean_ms: number | null;
}

export interface RunCost {
  /** The sum of its model calls. */
  total: Spent;
  /** As the run itself says. */
  stated: string;
  usual_mean: string | null;
  nodes: NodeSpent[];
}

export interface Spent {
  calls: number;
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  cost: string;
  /** Of it: on attempts that failed, were lost or came late. */
  failed_cost: string;
  failed_calls: number;
}

export interface NodeSpent {
  calls: number;
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  cost: string;
  /** Of it: on attempts that failed, were lost or came late. */
  failed_cost: string;
  failed_calls: number;
  node: string;
}

export interface Why {
  /** The failure group's id. */
  group: string;
  kind: string;
  /** Empty: before any node. */
  node: string;
  /** With # for what differs from run to run. */
  message: string;
  first_seen: string | null;
  last_seen: string | null;
  /** The first version with it, as far as is known. */
  since: string;
  mark: "new" | "known" | "resolved" | "";
  note: string;
  /** The time of the counts, up to now. */
  days: number;
  runs: number;
  retried: number;
  recovered: number;
  /** The API's list of the runs behind it; null where no filter says which. */
  runs_url: string | null;
}

export interface GroupInput {
  /** The group's id. */
  id: string;
}

export interface OneFailureGroup {
  id: string;
  kind: string;
  /** Empty: before any node. */
  node: string;
  /** With # for what differs from run to run. */
  message: string;
  /** The newest, as it was. */
  sample: string;
  first_seen: string;
  last_seen: string;
  /** That failed so and are still there. */
  runs: number;
  /** Of them: runs that were retried. */
  retried: number;
  /** Of these: runs of which a retry completed. */
  recovered: number;
  retry_success: number | null;
  /** In the order in which it came to them. */
  workflows: GroupInWorkflow[];
  mark: "new" | "known" | "resolved";
  marked_at: string | null;
  marked_by: string;
  /** When it came back after it was said to be resolved. */
  reopened_at: string | null;
  note: string;
  /** The API's list of the runs behind it; null where no filter says which. */
  runs_url: string | null;
}

export interface GroupInWorkflow {
  workflow_id: string;
  /** The version with which it came. */
  since_version: number;
  runs: number;
  retried: number;
  recovered: number;
}

export interface MarkGroupInput {
  /** `new` takes a mark away. */
  mark: "new" | "known" | "resolved";
  /** Shown with the group, and kept in the audit. */
  note?: string;
  /** The group's id. */
  id: string;
}

export interface ErrorShape {
  message: string;
  code: TRPC_ERROR_CODE_NUMBER;
  data: {
    code: "BAD_REQUEST" | "UNAUTHORIZED" | "FORBIDDEN" | "NOT_FOUND" | "METHOD_NOT_SUPPORTED" | "CONFLICT" | "PAYLOAD_TOO_LARGE" | "UNSUPPORTED_MEDIA_TYPE" | "UNPROCESSABLE_CONTENT" | "TOO_MANY_REQUESTS" | "INTERNAL_SERVER_ERROR" | "SERVICE_UNAVAILABLE";
    httpStatus: number;
    path?: string;
    /** What is wrong with the input; `place` is where in a trigger's rule. */
    errors?: { field: string; message: string; place?: string }[];
    /** What somebody else made of it meanwhile: the number of its newest version or revision. */
    newest?: number;
    /** The run's state, where it stands against the act, and what can be done instead. */
    state?: "created" | "active" | "completed" | "failed" | "terminated";
    actions?: string[];
  };
}

export type AppRouter = TRPCBuiltRouter<
  { ctx: object; meta: object; errorShape: ErrorShape; transformer: false },
  {
    runs: {
      /** Runs, newest first. */
      list: TRPCQueryProcedure<{
        input: ListInput | undefined;
        output: ListedRun[];
        meta: object;
      }>;
      /** How many runs a filter finds in each state, none counted further than 10,000. */
      counts: TRPCQueryProcedure<{
        input: CountsInput | undefined;
        output: Counts;
        meta: object;
      }>;
      /** One run. */
      get: TRPCQueryProcedure<{
        input: RunInput;
        output: Run;
        meta: object;
      }>;
      /** One run's whole record: its job, its context, its history. It is audited. */
      export: TRPCQueryProcedure<{
        input: RunInput;
        output: RunExport;
        meta: object;
      }>;
      /** The runs of a filter, newest first, 10,000 a call; `export.next` is the `cursor` of the next call. It is audited. */
      exportAll: TRPCQueryProcedure<{
        input: ExportInput | undefined;
        output: Export;
        meta: object;
      }>;
      /** Gives the new run, with the failed one's version and input. */
      retry: TRPCMutationProcedure<{
        input: RetryInput;
        output: Run;
        meta: object;
      }>;
      /** Ends a queued or active run at once. */
      terminate: TRPCMutationProcedure<{
        input: ActInput;
        output: Run;
        meta: object;
      }>;
      /** Legal hold: the run and all that belongs to it are kept until it is released. */
      hold: TRPCMutationProcedure<{
        input: HoldInput;
        output: Run;
        meta: object;
      }>;
      /** Takes the legal hold from the run. */
      release: TRPCMutationProcedure<{
        input: ActInput;
        output: Run;
        meta: object;
      }>;
      /** Brings an archived log back for some days; gives the bulk operation that does it. */
      restore: TRPCMutationProcedure<{
        input: RestoreInput;
        output: Bulk;
        meta: object;
      }>;
      /** Keeps a restored log for longer: for so many days from now on. */
      prolong: TRPCMutationProcedure<{
        input: ProlongInput;
        output: Run;
        meta: object;
      }>;
      /** Deletes a run that has ended, with all its events, for good. */
      delete: TRPCMutationProcedure<{
        input: ActInput;
        output: Deleted;
        meta: object;
      }>;
      /** A run's events from the first one on, or behind `lastEventId`; ends when the run has. */
      streamLogs: TRPCSubscriptionProcedure<{
        input: StreamInput;
        output: AsyncIterable<{ id: string; data: RunEvent }, void>;
        meta: object;
      }>;
      /** Which runs changed, several times a second at most. Begins, also when it comes back, with `reset`: fetch what you show anew. */
      stream: TRPCSubscriptionProcedure<{
        input: NoInput | undefined;
        output: AsyncIterable<Notice, void>;
        meta: object;
      }>;
      /** The scheduler's handle on the run. */
      job: TRPCQueryProcedure<{
        input: RunInput;
        output: Job;
        meta: object;
      }>;
      /** What went into the run and its nodes, and what came out. */
      context: TRPCQueryProcedure<{
        input: RunInput;
        output: Context;
        meta: object;
      }>;
      /** Each node's attempts and waits with their causes, and the critical path. */
      timeline: TRPCQueryProcedure<{
        input: RunInput;
        output: Timeline;
        meta: object;
      }>;
      /** A page of the run's history in order; `next` is the `after` of the next page. */
      events: TRPCQueryProcedure<{
        input: EventsInput;
        output: Events;
        meta: object;
      }>;
      /** Runs that do not get on, with what speaks for it; longest stuck first. */
      stuck: TRPCQueryProcedure<{
        input: StuckInput | undefined;
        output: ListedStuck[];
        meta: object;
      }>;
      /** Helps a stuck run: runs its silent nodes again, offers those that nobody takes. */
      rescue: TRPCMutationProcedure<{
        input: ActInput;
        output: Run;
        meta: object;
      }>;
    };
    workflows: {
      /** Workflows in the order of their ids. */
      list: TRPCQueryProcedure<{
        input: WorkflowsInput | undefined;
        output: Workflow[];
        meta: object;
      }>;
      /** A workflow with its newest definition, and its versions, the newest first. */
      get: TRPCQueryProcedure<{
        input: WorkflowInput;
        output: WorkflowDetail;
        meta: object;
      }>;
      /** A workflow's versions, the newest first. */
      versions: TRPCQueryProcedure<{
        input: VersionsInput;
        output: Version[];
        meta: object;
      }>;
      /** One version as it was published; it never changes. */
      version: TRPCQueryProcedure<{
        input: VersionInput;
        output: VersionDetail;
        meta: object;
      }>;
      /** A new workflow with its first version. */
      create: TRPCMutationProcedure<{
        input: MakeWorkflowInput;
        output: WorkflowDetail;
        meta: object;
      }>;
      /** A new version; where the definition is the newest one's, that. */
      publish: TRPCMutationProcedure<{
        input: PublishInput;
        output: VersionDetail;
        meta: object;
      }>;
      /** Starts a run. Input that breaks the workflow's schema makes one that has failed. */
      execute: TRPCMutationProcedure<{
        input: ExecuteInput;
        output: Started;
        meta: object;
      }>;
      /** Lets queued and new runs wait; active ones go on. */
      pause: TRPCMutationProcedure<{
        input: PauseInput;
        output: Workflow;
        meta: object;
      }>;
      /** Lets queued runs start again, in the order of their creation. */
      resume: TRPCMutationProcedure<{
        input: PauseInput;
        output: Workflow;
        meta: object;
      }>;
      /** How many of its runs may be active at once; the others wait in their order. */
      limit: TRPCMutationProcedure<{
        input: LimitWorkflowInput;
        output: Workflow;
        meta: object;
      }>;
    };
    bulk: {
      /** Begins an act on many runs: those of a filter, named ones, or those for which an earlier one failed. */
      start: TRPCMutationProcedure<{
        input: StartBulkInput;
        output: Bulk;
        meta: object;
      }>;
      /** How far an operation is; of an export, also what there is to download. */
      get: TRPCQueryProcedure<{
        input: BulkInput;
        output: BulkDetail;
        meta: object;
      }>;
      /** Operations, newest first. */
      list: TRPCQueryProcedure<{
        input: BulksInput | undefined;
        output: ListedBulk[];
        meta: object;
      }>;
      /** What became of each run, by the runs' ids. */
      outcomes: TRPCQueryProcedure<{
        input: OutcomesInput;
        output: BulkOutcome[];
        meta: object;
      }>;
      /** Lets it rest; what is done stays done. */
      pause: TRPCMutationProcedure<{
        input: BulkInput;
        output: Bulk;
        meta: object;
      }>;
      /** Lets one that is paused go on. */
      resume: TRPCMutationProcedure<{
        input: BulkInput;
        output: Bulk;
        meta: object;
      }>;
      /** Ends it for good; what is done stays done. */
      abort: TRPCMutationProcedure<{
        input: BulkInput;
        output: Bulk;
        meta: object;
      }>;
      /** The same act on those of its runs for which it failed, as a new operation. */
      again: TRPCMutationProcedure<{
        input: AgainInput;
        output: Bulk;
        meta: object;
      }>;
    };
    decisions: {
      /** Questions to people, the oldest first. */
      list: TRPCQueryProcedure<{
        input: DecisionsInput | undefined;
        output: ListedDecision[];
        meta: object;
      }>;
      /** One question, with what it shows. */
      get: TRPCQueryProcedure<{
        input: DecisionInput;
        output: DecisionDetail;
        meta: object;
      }>;
      /** Approves, rejects or corrects. Of several who answer at once one is taken. */
      answer: TRPCMutationProcedure<{
        input: AnswerInput;
        output: DecisionDetail;
        meta: object;
      }>;
    };
    triggers: {
      /** Triggers by name, without their rules. */
      list: TRPCQueryProcedure<{
        input: TriggersInput | undefined;
        output: Trigger[];
        meta: object;
      }>;
      /** One trigger with its rule. */
      get: TRPCQueryProcedure<{
        input: TriggerInput;
        output: TriggerDetail;
        meta: object;
      }>;
      /** A new trigger. Of a webhook the answer holds the secret, this once. */
      create: TRPCMutationProcedure<{
        input: MakeTriggerInput;
        output: NewTrigger;
        meta: object;
      }>;
      /** Changes its name, description or rule; refused if somebody changed it since. */
      change: TRPCMutationProcedure<{
        input: ChangeTriggerInput;
        output: TriggerDetail;
        meta: object;
      }>;
      /** Switches it on or off. What passes while it is off is not caught up. */
      switch: TRPCMutationProcedure<{
        input: SwitchTriggerInput;
        output: TriggerDetail;
        meta: object;
      }>;
      /** A new secret for a webhook: the former one is refused at once. */
      secret: TRPCMutationProcedure<{
        input: TriggerInput;
        output: Secret;
        meta: object;
      }>;
      /** Deletes it and the record of what it did. The runs that it started stay. */
      delete: TRPCMutationProcedure<{
        input: DeleteTriggerInput;
        output: DeletedTrigger;
        meta: object;
      }>;
      /** What it did in the last 30 days, the newest first. */
      firings: TRPCQueryProcedure<{
        input: FiringsInput;
        output: Firing[];
        meta: object;
      }>;
      /** One of them, with what happened. */
      firing: TRPCQueryProcedure<{
        input: FiringInput;
        output: FiringDetail;
        meta: object;
      }>;
      /** What it would do with a payload; with `start` it does so, also where it is off. */
      test: TRPCMutationProcedure<{
        input: TryTriggerInput;
        output: Tried;
        meta: object;
      }>;
    };
    views: {
      /** Saved views of the list by name: yours, and those that are shared. */
      list: TRPCQueryProcedure<{
        input: ViewsInput | undefined;
        output: SavedView[];
        meta: object;
      }>;
      /** One view. */
      get: TRPCQueryProcedure<{
        input: ViewInput;
        output: SavedView;
        meta: object;
      }>;
      /** Saves a view. */
      create: TRPCMutationProcedure<{
        input: MakeViewInput;
        output: SavedView;
        meta: object;
      }>;
      /** Changes what is named of a view; anybody may make a shared one the own default. */
      update: TRPCMutationProcedure<{
        input: ChangeViewInput;
        output: SavedView;
        meta: object;
      }>;
      /** Deletes a view; no run is touched. */
      delete: TRPCMutationProcedure<{
        input: ViewInput;
        output: DeletedView;
        meta: object;
      }>;
    };
    tokens: {
      /** Your API tokens, the newest first; their secrets are kept nowhere. */
      list: TRPCQueryProcedure<{
        input: NoInput | undefined;
        output: Token[];
        meta: object;
      }>;
      /** Revokes a token, for good. A token can do that to itself, but to no other. */
      revoke: TRPCMutationProcedure<{
        input: TokenInput;
        output: Token;
        meta: object;
      }>;
    };
    retention: {
      /** How long runs and their logs are kept. */
      get: TRPCQueryProcedure<{
        input: NoInput | undefined;
        output: Retention;
        meta: object;
      }>;
      /** Changes some of it; given workflows replace all that have days of their own. */
      set: TRPCMutationProcedure<{
        input: ChangeRetentionInput;
        output: Retention;
        meta: object;
      }>;
      /** What the next night does; for who may save them, also with other values. */
      preview: TRPCQueryProcedure<{
        input: TryRetentionInput | undefined;
        output: RetentionPreview;
        meta: object;
      }>;
      executions: {
        /** Begins what a night does, an orphan sweep or an integrity check, now. */
        begin: TRPCMutationProcedure<{
          input: BeginInput;
          output: Execution;
          meta: object;
        }>;
        /** How far an execution has come, and what it did. */
        get: TRPCQueryProcedure<{
          input: ExecutionInput;
          output: Execution;
          meta: object;
        }>;
        /** Executions, newest first. */
        list: TRPCQueryProcedure<{
          input: ExecutionsInput | undefined;
          output: ListedExecution[];
          meta: object;
        }>;
        /** Ends it; what is done stays done. */
        abort: TRPCMutationProcedure<{
          input: AbortInput;
          output: Execution;
          meta: object;
        }>;
        /** What it met that a person should know. */
        findings: TRPCQueryProcedure<{
          input: FindingsInput;
          output: Finding[];
          meta: object;
        }>;
      };
    };
    analysis: {
      /** What fails: how often, how alike, since which version, and whether a retry helps. */
      failures: TRPCQueryProcedure<{
        input: FailuresInput | undefined;
        output: Failures;
        meta: object;
      }>;
      /** What runs cost, by workflow, node, model and person. */
      cost: TRPCQueryProcedure<{
        input: CostInput | undefined;
        output: Costs;
        meta: object;
      }>;
      /** How long runs take, which nodes it is spent in, and what they wait for. */
      duration: TRPCQueryProcedure<{
        input: DurationInput | undefined;
        output: Durations;
        meta: object;
      }>;
      /** What runs now, how the last 24 hours compare with usual, and what has changed. */
      overview: TRPCQueryProcedure<{
        input: NoInput | undefined;
        output: Overview;
        meta: object;
      }>;
      /** Where a run's time went, what ran longer than usual, its cost, and why it failed. */
      run: TRPCQueryProcedure<{
        input: RunInput;
        output: RunAnalysis;
        meta: object;
      }>;
      /** One failure group, with its runs by workflow. */
      group: TRPCQueryProcedure<{
        input: GroupInput;
        output: OneFailureGroup;
        meta: object;
      }>;
      /** Says that a failure group is known, or resolved, or takes that back. */
      markGroup: TRPCMutationProcedure<{
        input: MarkGroupInput;
        output: OneFailureGroup;
        meta: object;
      }>;
    };
  }
>;
