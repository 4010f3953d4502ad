import type { CaseResult } from '../case-run.js'
import { queueContract } from '../queue/queue-contract.js'
import { verifyQueue, verifyWorker, type VerifyOptions } from '../verification.js'
import { workerContract } from '../worker/worker-contract.js'
import type { CliContext } from './main.js'
import { invalid, subjectOf, type Subject } from './module-subject.js'

/** The options of `verify`. */
export interface VerifyFlags {
  /** A prefix of case ids. */
  readonly case: string
  /** JSON. */
  readonly options: string
  readonly timeout: number
  readonly json?: true
}

/**
 * Runs the contract on what a module exports, and prints one line for each case.
 *
 * @returns 0 when every case that applies passes, else 1
 * @throws SluiceError SLUICE_PACKAGE_MISSING or SLUICE_CONFIG_INVALID when there is nothing to run, or
 * nothing to run it on
 */
export async function verifyModule(module: string, flags: VerifyFlags, context: CliContext): Promise<0 | 1> {
  if (!Number.isFinite(flags.timeout) || flags.timeout <= 0)
    throw invalid('--timeout takes a number of ms above 0')
  const found = await subjectOf(module, {
    cwd: context.cwd,
    options: parsedOptions(flags.options),
    timeoutMs: flags.timeout,
  })
  const chosen = <Case extends { readonly id: string }>(cases: readonly Case[]) =>
    casesOf(cases, flags.case, found.is)
  const run: VerifyOptions<never> = {
    timeoutMs: flags.timeout,
    onResult: (result) => context.print(flags.json === true ? jsonLine(result) : textLine(result)),
  }
  const results =
    found.is === 'queue'
      ? await verifyQueue(found.makeHarness, { ...run, cases: chosen(queueContract) })
      : await verifyWorker(found.makeHarness, { ...run, cases: chosen(workerContract) })
  const counts = countsOf(results)
  context.print(flags.json === true ? JSON.stringify(counts) : summary(found.is, counts))
  return counts.failed + counts.slow === 0 ? 0 : 1
}

function casesOf<Case extends { readonly id: string }>(
  cases: readonly Case[],
  prefix: string,
  kind: Subject['is'],
): readonly Case[] {
  const chosen = cases.filter(({ id }) => id.startsWith(prefix))
  if (chosen.length > 0) return chosen
  throw invalid(`No case of the ${kind} contract starts with ${prefix}: \`sluice-testkit cases\` lists them.`)
}

type Counts = Record<CaseResult['outcome'], number>

function countsOf(results: readonly CaseResult[]): Counts {
  const counts: Counts = { passed: 0, failed: 0, slow: 0, skipped: 0 }
  for (const { outcome } of results) counts[outcome] += 1
  return counts
}

const MARKS: Readonly<Record<CaseResult['outcome'], string>> = {
  passed: 'ok  ',
  failed: 'FAIL',
  slow: 'SLOW',
  skipped: 'skip',
}

function textLine({ id, title, outcome, reason, error }: CaseResult): string {
  const line = `${MARKS[outcome]} ${id} ${title}${reason === undefined ? '' : ` (${reason})`}`
  return error === undefined ? line : `${line}\n${error.message.replaceAll(/^/gmu, '     ')}`
}

function jsonLine({ error, ...result }: CaseResult): string {
  return JSON.stringify({ ...result, ...(error !== undefined && { error: error.message }) })
}

function summary(kind: Subject['is'], { passed, failed, slow, skipped }: Counts): string {
  return `${kind} contract: ${passed} passed, ${failed} failed, ${slow} slow, ${skipped} skipped`
}

function parsedOptions(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // It is refused below.
  }
  throw invalid(`--options takes a JSON object, such as '{"dir": "./data"}'`)
}
