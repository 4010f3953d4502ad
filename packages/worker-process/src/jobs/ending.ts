import { constants } from 'node:os'
import type { FileRecord } from '../disk/record.js'

/**
 * How a job ended, as its record says: an exit code or what stands in for it, and whether it was told to end.
 */
export interface Ending {
  readonly how: 'exited' | 'signalled' | 'vanished' | 'restarted' | 'unstartable'
  readonly exitCode?: number
  readonly signal?: NodeJS.Signals
  readonly stopped: boolean
}

const WITHOUT_CODE = ['vanished', 'restarted', 'unstartable'] as const

/** The words of a record that has no exit code. */
export type EndingWithoutCode = (typeof WITHOUT_CODE)[number]

/** The record of a job that was told to end and was ended by SIGKILL. */
export const STOPPED_BY_KILL = '137 stopped'

/** Reads a record of the kind `3`, `137 stopped` or `vanished`. */
export function parseEnding(text: string): Ending {
  const [first = '', second] = text.split(' ')
  const stopped = second === 'stopped'
  const how = WITHOUT_CODE.find((word) => word === first)
  if (how !== undefined) return { how, stopped }
  const exitCode = Number.parseInt(first, 10)
  const signal = signalOf(exitCode)
  return signal === undefined
    ? { how: 'exited', exitCode, stopped }
    : { how: 'signalled', exitCode, signal, stopped }
}

/**
 * The signal that a shell reports as 128 + its number. A command that exits with such a code by itself can't
 * be told apart, and by convention means the same.
 */
function signalOf(exitCode: number): NodeJS.Signals | undefined {
  const name = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0]
  return isSignal(name) ? name : undefined
}

function isSignal(name: string | undefined): name is NodeJS.Signals {
  return name !== undefined && name in constants.signals
}

/** Whether the job did its work. One that was told to end did not, whatever its exit code. */
export function isSuccess(ending: Ending): boolean {
  return ending.exitCode === 0 && !ending.stopped
}

/**
 * The stage in what stands in place of a job: `SUCCESS` or `FAIL` where outputs were removed, and of a
 * success that wrote nothing the record of its end.
 */
export function stageOfGone(gone: Pick<FileRecord, 'text'>): 'SUCCESS' | 'FAIL' {
  return gone.text === 'FAIL' ? 'FAIL' : 'SUCCESS'
}

/** Whether nothing but the record of its end stands in place of a job, since it had written nothing. */
export function hadWrittenNothing({ text }: Pick<FileRecord, 'text'>): boolean {
  return text !== 'SUCCESS' && text !== 'FAIL'
}
