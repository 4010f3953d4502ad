import type { CaseResult } from './case-run.js'
import { engineContract } from './engine/engine-contract.js'
import { enginePromises } from './engine/engine-promises.js'
import { queuePromises, workerPromises, type ContractPromise } from './promises.js'
import { queueContract } from './queue/queue-contract.js'
import { workerContract } from './worker/worker-contract.js'

/** The results of the contract for one backend or worker. */
export interface ContractColumn {
  /** As the head of its column, such as `queue-sql (Postgres)`. */
  readonly name: string
  readonly results: readonly CaseResult[]
}

export interface ContractResults {
  readonly queues?: readonly ContractColumn[]
  readonly workers?: readonly ContractColumn[]
}

type AnyCase = Pick<CaseResult, 'id' | 'title'>

/** Every promise with the cases that prove it, as Markdown. The same input gives the same text. */
export function contractTable(): string {
  return [
    '## What every queue promises',
    ...promiseSections(queuePromises, queueContract),
    '## What every worker promises',
    ...promiseSections(workerPromises, workerContract),
    '## What the engine promises',
    ...promiseSections(enginePromises, engineContract),
    '',
  ].join('\n\n')
}

/**
 * Promise by backend: how many cases passed, which were skipped and why, which failed. As Markdown, with no
 * times in it.
 */
export function contractMarkdown({ queues = [], workers = [] }: ContractResults): string {
  return [
    ...resultSections('Queues', queuePromises, queues),
    ...resultSections('Workers', workerPromises, workers),
    '',
  ].join('\n\n')
}

function promiseSections(promises: readonly ContractPromise[], cases: readonly AnyCase[]): string[] {
  return promises.map(({ id, text }) => {
    const lines = cases.filter((one) => promiseId(one) === id).map((one) => `* \`${one.id}\` ${one.title}`)
    return `**${id}** ${text}\n\n${lines.join('\n')}`
  })
}

function resultSections(
  title: string,
  promises: readonly ContractPromise[],
  columns: readonly ContractColumn[],
): string[] {
  if (columns.length === 0) return []
  const head = row(['Promise', 'What it says', ...columns.map((column) => column.name)])
  const rule = row(['---', '---', ...columns.map(() => '---')])
  const rows = promises.map(({ id, text }) => row([id, text, ...columns.map((column) => cell(column, id))]))
  return [`## ${title}`, [head, rule, ...rows].join('\n'), ...skips(columns)]
}

function cell({ results }: ContractColumn, promise: string): string {
  const own = results.filter((result) => promiseId(result) === promise)
  const failed = own.filter((result) => result.outcome === 'failed')
  const passed = own.filter((result) => result.outcome === 'passed').length
  const slow = own.filter((result) => result.outcome === 'slow')
  const skipped = own.length - failed.length - passed - slow.length
  if (failed.length > 0) return `✗ ${failed.map((result) => result.id).join(', ')}`
  if (slow.length > 0) return `slow ${slow.map((result) => result.id).join(', ')}`
  if (passed === 0) return skipped === 0 ? 'not run' : `skipped ${skipped}`
  return skipped === 0 ? `✓ ${passed}` : `✓ ${passed}, skipped ${skipped}`
}

function skips(columns: readonly ContractColumn[]): string[] {
  const lines = columns.flatMap(({ name, results }) =>
    results
      .filter((result) => result.outcome === 'skipped')
      .map((result) => `* ${name}: \`${result.id}\`, since ${result.reason ?? 'no reason was given'}`),
  )
  return lines.length === 0 ? [] : [`Skipped:\n\n${lines.join('\n')}`]
}

function promiseId({ id }: Pick<AnyCase, 'id'>): string {
  return id.split('/')[0] ?? id
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((one) => one.replaceAll('|', '\\|')).join(' | ')} |`
}
