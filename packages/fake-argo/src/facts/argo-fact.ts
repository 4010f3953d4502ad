import { brokenFact, type ServerFact } from '@sluice/testkit/server'

/** A server under test, and what is known of it. */
export interface ArgoTarget {
  /** The base URL. */
  readonly url: string
  readonly namespace: string
  /** Absent: requests carry none, and facts about tokens are skipped. */
  readonly token?: string
  /**
   * A WorkflowTemplate in the namespace with the parameters `item` (no default), `mode` (of `succeed`,
   * `fail`, `error`) and `seconds`, which runs for that time and ends in that mode.
   */
  readonly template: string
  /** A ClusterWorkflowTemplate of the same parameters. */
  readonly clusterTemplate?: string
  /** A CronWorkflow of the same parameters, in the namespace. */
  readonly cronWorkflow?: string
  /** The prefix of the names of a run's workflows, and of no others. Lower case. */
  readonly prefix: string
  /** By `GET /api/v1/version`, such as `v4.1.2`. */
  readonly version: string
  /**
   * A label, as `key=value`, with which an admission policy or webhook of the cluster denies every workflow.
   */
  readonly denied?: string
  /** As the controller is set; `undefined`: not. */
  readonly templateReferencing?: 'Strict' | 'Secure'
  /** Whether finished workflows are archived. */
  readonly archive: boolean
  /** Advances the server's time. Default by waiting; a server with a manual clock need not wait. */
  readonly pass?: (ms: number) => Promise<void>
}

/** One thing that an Argo Server is expected to do. It deletes what it created. */
export interface ArgoFact extends ServerFact<ArgoTarget> {
  /** Whether it takes more than ten seconds on a server without a manual clock. */
  readonly slow?: boolean
}

/** The outcome of one fact. */
export type ArgoFactOutcome = 'holds' | 'skipped'

/**
 * Runs one fact on a server.
 *
 * @throws Error when the fact doesn't hold
 */
export async function runArgoFact(fact: ArgoFact, target: ArgoTarget): Promise<ArgoFactOutcome> {
  if (fact.needs?.(target) !== undefined) return 'skipped'
  try {
    const prefix = `${target.prefix}-${fact.id.slice('ARGO-'.length).toLowerCase()}`
    await fact.run({ ...target, prefix })
    return 'holds'
  } catch (error) {
    throw brokenFact(fact, error)
  }
}

/**
 * Reads a server's version, and whether it has an archive.
 *
 * @throws Error when it doesn't answer as an Argo Server does
 */
export async function argoTarget(given: Omit<ArgoTarget, 'version' | 'archive'>): Promise<ArgoTarget> {
  const ask = async (path: string) => {
    const authorization = given.token === undefined ? undefined : { authorization: `Bearer ${given.token}` }
    const answer = await fetch(
      `${given.url}/api/v1/${path}`,
      authorization === undefined ? {} : { headers: authorization },
    )
    const body: unknown = await answer.json()
    return { status: answer.status, body }
  }
  const { status, body } = await ask('version')
  const version: unknown =
    typeof body === 'object' && body !== null ? Reflect.get(body, 'version') : undefined
  if (status !== 200 || typeof version !== 'string') {
    throw new Error(`${given.url} gives no version: status ${status}`)
  }
  // Without an archive the server answers that it is not supported, with one that there is no such row.
  const row = await ask('archived-workflows/00000000-0000-4000-8000-000000000000')
  return { ...given, version, archive: row.status === 404 }
}
