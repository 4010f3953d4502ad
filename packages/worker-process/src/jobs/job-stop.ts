import type { JsonValue } from '@sluice/core'
import type { JobFile } from './job-file.js'
import type { FileRecord } from '../disk/record.js'

/** What is said of a job that was told to end and has not ended. */
export interface StopNote {
  readonly message: string
  readonly details: JsonValue
}

/** After so long beyond its last moment a job is overdue: its supervisor was killed, or there was no room to note that it is to end. */
const OVERDUE_MS = 5_000

/**
 * When a job that was told to end was told so, and by when it has ended. Its own supervisor sees to that; one of an earlier version does not, and nor does
 * one of which only `stopping` was recorded before the canceller was killed.
 */
export function stopNote({ killAfterMs }: JobFile, stop: FileRecord, nowMs: number): StopNote {
  const told = `told to end at ${new Date(stop.at).toISOString()} (${reasonOf(stop)})`
  const details = { toldToEndAt: stop.at }
  if (killAfterMs === undefined) {
    const message = `${told}; if it ignores that, SIGKILL follows when a service or \`sluice cancel\` looks`
    return { message, details }
  }
  const endsBy = stop.at + killAfterMs
  const by = new Date(endsBy).toISOString()
  const end =
    nowMs > endsBy + OVERDUE_MS
      ? `should have ended by ${by}: cancel it again`
      : `ends by ${by} at the latest`
  return { message: `${told}, ${end}`, details: { ...details, endsBy } }
}

function reasonOf({ text }: FileRecord): string {
  return text === 'timeout' ? 'its time is over' : text.replace(/^cancel:/u, '')
}
