import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Layout, JobPlace } from '../disk/layout.js'
import type { ProcessWorkerSettings } from '../options.js'
import { spawnError } from '../process-errors.js'
import { SUPERVISOR_SCRIPT } from './supervisor-script.js'

/** What the supervisor of one job needs to know. */
export interface SupervisedJob {
  readonly id: string
  readonly attempt: number
  readonly place: JobPlace
  readonly program: string
  readonly args: readonly string[]
  /** As it was accepted with; absent in the files of earlier versions. */
  readonly killAfterMs?: number | undefined
  /** Whether the configuration read a secret from this variable, which the job then does not inherit. */
  readonly isSecretVariable?: ((name: string) => boolean) | undefined
}

/** A supervisor that was started and waits. */
export interface Supervisor {
  readonly process: ChildProcess
  /** The job is on the disk: run it. */
  go(): void
  /** It isn't: end without a trace. */
  dismiss(): void
}

/**
 * Starts a supervisor, detached: in a session and process group of its own, so that it outlives this process
 * and the whole job can be signalled at once.
 *
 * @throws SluiceError SLUICE_JOB_REJECTED for a command line that is too large, SLUICE_WORKER_UNAVAILABLE,
 * SLUICE_WORKER_DENIED
 */
export async function startSupervisor(
  layout: Layout,
  settings: ProcessWorkerSettings,
  job: SupervisedJob,
): Promise<Supervisor> {
  try {
    const child = spawn('/bin/sh', supervisorArguments(layout, settings, job), {
      detached: true,
      cwd: settings.cwd,
      env: jobEnvironment(settings, job),
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    // It may have ended before the word reaches it; then the job has no claim, and the next poll starts it.
    child.stdin?.on('error', () => {})
    await once(child, 'spawn')
    child.unref()
    return { process: child, go: () => child.stdin?.end('go\n'), dismiss: () => child.stdin?.end() }
  } catch (error) {
    throw spawnError(error, job.id)
  }
}

function supervisorArguments(layout: Layout, settings: ProcessWorkerSettings, job: SupervisedJob): string[] {
  const { key, home, gone, stdin } = job.place
  const input = settings.stdin === 'json' ? stdin : '/dev/null'
  const spans = [settings.timeoutMs ?? 0, job.killAfterMs ?? settings.killAfterMs].map((ms) =>
    String(ms / 1_000),
  )
  const own = [layout.root, key, home, gone, ...spans, input, process.umask().toString(8)]
  return ['-c', SUPERVISOR_SCRIPT, 'sluice-job', ...own, job.program, ...job.args]
}

/**
 * The service's own environment, less what configures Sluice itself and the variables that secrets of the
 * configuration came from; then the job's. It is handed to the process alone, and written nowhere.
 */
function jobEnvironment(settings: ProcessWorkerSettings, job: SupervisedJob): NodeJS.ProcessEnv {
  const { isSecretVariable = () => false } = job
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('SLUICE_') && !isSecretVariable(name),
  )
  return {
    ...Object.fromEntries(inherited),
    ...settings.env,
    SLUICE_ITEM_ID: job.id,
    SLUICE_ATTEMPT: String(job.attempt),
    SLUICE_QUEUE: settings.name,
    SLUICE_OUTPUT_DIR: job.place.output,
    [MARKER]: job.place.key,
  }
}

const MARKER = 'SLUICE_JOB_KEY'

/** The variable by which a process of the job is recognized, as it stands in an environment. */
export function jobMarker(place: JobPlace): string {
  return `${MARKER}=${place.key}`
}
