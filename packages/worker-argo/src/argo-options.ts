import type { JsonValue, Logger, Runtime } from '@sluice/core'
import type { ParameterInput } from './parameters/parameter-source.js'
import type { TextForm } from './parameters/parameter-text.js'

/** What may be set for all workflows, and with `overridesFrom` for one. */
export interface ArgoOverrides {
  /** The template of the workflow that is run. Default: the template's own entrypoint. */
  readonly entrypoint?: string | undefined
  /** The account that the workflow's pods run as. */
  readonly serviceAccount?: string | undefined
  /** Higher ones first where Argo holds workflows back; `item`: the item's own. */
  readonly priority?: number | 'item' | undefined
  readonly podPriorityClass?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
  /** More fields of the workflow's spec, such as `ttlStrategy`; with `via: create` alone. */
  readonly spec?: Readonly<Record<string, JsonValue>> | undefined
}

/** The options of `openWorker`. */
export interface ArgoWorkerOptions extends ArgoOverrides {
  /** The queue's name. */
  readonly name: string
  /** The address of the Argo Server, with the path under which it is served if there is one. */
  readonly baseUrl: string
  readonly namespace: string
  /** The name of the template that each item becomes a workflow of. */
  readonly template: string
  /** Default `WorkflowTemplate`. */
  readonly templateKind?: 'WorkflowTemplate' | 'ClusterWorkflowTemplate' | 'CronWorkflow' | undefined
  /**
   * `submit` asks for the template by its name; `create` sends a manifest, which may have any label,
   * annotation and `spec`. Default `submit`.
   */
  readonly via?: 'submit' | 'create' | undefined
  /**
   * Where the workflow's parameters come from: the body's `fields`, a mapping such as `path: $.file.path`, or
   * a function. Default `fields`.
   */
  readonly parameters?: 'fields' | ParameterMapping | ParameterFunction | undefined
  /**
   * Whether an item with a field that the template doesn't declare is rejected, or the field is left out.
   * Default `reject`.
   */
  readonly unknownFields?: 'reject' | 'ignore' | undefined
  /**
   * Longest value of a parameter, in bytes. Default: what Linux passes to a program where the template puts
   * the value, such as 131,070 bytes less the name in a variable; 128,000 where that isn't known.
   */
  readonly maxParameterBytes?: number | undefined
  /**
   * Most bytes of one workflow: what is sent as JSON, and the template's own. Kubernetes stores a workflow in
   * one piece. Default 460,800.
   */
  readonly maxTotalParameterBytes?: number | undefined
  /**
   * A path into the body, such as `$.argo`, to overrides for this one item. Producers of items control it.
   */
  readonly overridesFrom?: string | undefined
  /** A bearer token. */
  readonly token?: string | undefined
  /** A file with it, read again when it changes. */
  readonly tokenFile?: string | undefined
  /** A program and its arguments that print it, run again when it is refused. */
  readonly tokenCommand?: readonly string[] | undefined
  /** Certificates in PEM that the server's is checked against. */
  readonly caFile?: string | undefined
  /** Whether any certificate is accepted. Default false. */
  readonly insecureSkipVerify?: boolean | undefined
  /** The instance id that the server must have; `check` reports another one. */
  readonly instanceId?: string | undefined
  /** The address of Argo's UI, for links. Default: `baseUrl`. */
  readonly uiUrl?: string | undefined
  /**
   * Longest wait for the first byte of an answer, in ms. A request ends 10 s after its last byte, and in any
   * case after this time and one second more for each 64 KiB. Default 30,000.
   */
  readonly requestTimeoutMs?: number | undefined
  /**
   * Longest that one list of workflows may take, all its pages together, in ms; polls do without it
   * meanwhile. Default 300,000.
   */
  readonly listTimeoutMs?: number | undefined
  /**
   * How many workflows may be asked for by name in any second, by polls and look-ups together. Default 200.
   */
  readonly lookupsPerSecond?: number | undefined
  /** How a job is cancelled: `stop` runs exit handlers. Default `terminate`. */
  readonly cancel?: 'terminate' | 'stop' | undefined
  /**
   * Failures that are retried within the same workflow, its finished steps kept, before they count as
   * failures.
   */
  readonly retryInPlace?:
    | {
        /** Classes of failure, such as `evicted`. */
        readonly on: readonly string[]
        /** How often for one job. Default 1. */
        readonly limit?: number | undefined
      }
    | undefined
  /** Whether a workflow is deleted once its outcome is in the queue. Default `never`. */
  readonly deleteFinished?: 'never' | 'succeeded' | 'all' | undefined
  /**
   * How long a workflow is kept after its outcome is in the queue, in ms. While it is there, its name keeps a
   * dispatcher that lags behind from starting the job again: longer than any process may be stalled and still
   * continue. Default 600,000.
   */
  readonly deleteGraceMs?: number | undefined
  /**
   * How many of them are deleted a second: each costs Argo's controller a listing of pods, of the 20 calls a
   * second that it has. Default 2.
   */
  readonly deletionsPerSecond?: number | undefined
  readonly logger?: Logger | undefined
  /** Where time, randomness and ids come from. Default the machine's. */
  readonly runtime?: Runtime | undefined
}

/** The parameters by name: each a constant, or where its value comes from. */
export type ParameterMapping = Readonly<
  Record<string, string | number | boolean | { readonly from: string; readonly as?: TextForm | undefined }>
>

/** The parameters of one item; what is `undefined` or `null` is left out. */
export type ParameterFunction = (
  item: ParameterInput,
) =>
  | Readonly<Record<string, JsonValue | undefined>>
  | Promise<Readonly<Record<string, JsonValue | undefined>>>
