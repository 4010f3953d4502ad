import type { JsonValue } from '@sluice/core'
import { countText, plural, spanText } from '../output/amounts.js'
import { oneLine } from '../output/output.js'

/** A dispatch policy as lines of text, from what it says of itself as data; a foreign one as JSON. */
export function policyLines(settings: JsonValue | undefined): string[] {
  const fields = recordOf(settings)
  const { policy } = fields
  const known = typeof policy === 'string' && Object.hasOwn(KNOWN, policy) ? KNOWN[policy] : undefined
  if (known !== undefined) return known(fields)
  return [settings === undefined ? 'unknown' : oneLine(JSON.stringify(settings), 300)]
}

type Fields = Readonly<Record<string, JsonValue>>

const KNOWN: Readonly<Record<string, (fields: Fields) => string[]>> = {
  processingLimit: ({ maxProcessing }) => [`at most ${jobs(maxProcessing)} at once`],
  unlimited: () => ['no limit of jobs'],
  nothing: () => ['nothing starts'],
  resourceLimit: ({ limits }) =>
    Object.entries(recordOf(limits)).map(
      ([name, most]) => `at most ${textOf(most)} of ${oneLine(name, 64)} in use`,
    ),
  limitPer: ({ max }) => [`at most ${jobs(max)} at once of each limit key`],
  rateLimit: ({ count, perMs }) => [`at most ${items(count)} claimed in any ${span(perMs)}`],
  machineLimit: (fields) => [machineLine(fields)],
  timeWindow: ({ windows, inside, outside }) => [
    ...prefixed(`within ${texts(windows).join('; ')}`, inside),
    ...prefixed('outside of them', outside),
  ],
  all: ({ of }) => listOf(of).flatMap((part) => policyLines(part)),
}

function prefixed(when: string, settings: JsonValue | undefined): string[] {
  return policyLines(settings).map((line) => `${when}: ${line}`)
}

function machineLine({ load, freeMemory }: Fields): string {
  const bounds = [
    ...(load === undefined ? [] : [`the load for each core is above ${textOf(load)}`]),
    ...(freeMemory === undefined ? [] : [`less than ${textOf(freeMemory)} of memory is available`]),
  ]
  return `nothing starts while ${bounds.join(', or ')}`
}

function jobs(count: JsonValue | undefined): string {
  return typeof count === 'number' ? plural(count, 'job') : textOf(count)
}

function items(count: JsonValue | undefined): string {
  return typeof count === 'number'
    ? `${countText(count)} ${count === 1 ? 'item is' : 'items are'}`
    : textOf(count)
}

function span(ms: JsonValue | undefined): string {
  return typeof ms === 'number' ? spanText(ms) : textOf(ms)
}

function texts(value: JsonValue | undefined): string[] {
  return listOf(value).map(textOf)
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? oneLine(value, 100) : JSON.stringify(value ?? null)
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : []
}

function recordOf(value: JsonValue | undefined): Readonly<Record<string, JsonValue>> {
  return isRecord(value) ? value : {}
}

function isRecord(value: JsonValue | undefined): value is Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
