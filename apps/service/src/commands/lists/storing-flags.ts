import { resolve } from 'node:path'
import { Option } from '@commander-js/extra-typings'
import { CommandError } from '../../cli/command-error.js'
import type { LoadManifestOptions } from '../../load/load-manifest.js'
import type { CommandContext } from '../../cli/command.js'

/** The flags of `sluice load` that say what becomes of the rows once they are read. */
export interface StoringFlags {
  readonly strict?: true
  readonly rejects?: string
  /** False with `--no-compare`. */
  readonly compare?: boolean
  readonly updateWaiting?: true
  readonly joblog?: string
  readonly joblogCommand?: string
  readonly skipDone?: true
}

export const STORING_NOTES = `
Each row is one of: added; same (in the queue already, with this body); changed (in the queue with another body, which is kept); duplicate (the id came
before in this load); refused. Rows that are refused, changed, or duplicates with another body are listed, the first 20 here and all with --rejects, and
the exit code is 2; all other rows are stored. Loading a list again is safe. Priority and delay are not compared.
With --update-waiting a changed row replaces the body of an item that still waits; of those that have started it says how many, and they stay changed.
With --strict nothing is stored if a row is refused or repeats an id with another body. What the queue has is known only by storing: of rows that are
changed --strict says so afterwards, as without it.
With --rejects all these rows and all duplicates are written in the order of the list, each with its text as it was read (raw): repaired, the texts can be loaded
again. An older file is replaced once a row is written, or the whole list was read. With --rejects - they go to standard output, and what else is reported to
standard error.
A queue that is not there yet is made when the first row to store was read: an empty or unreadable list leaves none behind.
Rows are stored within a second of being read, also from a pipe that goes on. SIGINT and SIGTERM store what was read and say where it stopped.
With --joblog a list that GNU parallel began goes on here: rows whose command ended with exit value 0 and no signal in its --joblog are put as items that
have succeeded already, or left out with --skip-done. Items that are in the queue keep their stage; of those that are done and still wait it says how many. They are
found by the command or its value, never by the number of a line: the id is the whole command, or the last argument of commands that are else the same, or what
--joblog-command says. All others are loaded, also where a record is cut off, or glued to one that was. Nothing is stored where it can't be told which.
Ids that repeat are known up to about 15 million different ids in a load (153 MB); beyond that such rows are counted as same or changed, and the report says so.`

/** Registers the flags. */
export function addStoringOptions(command: { addOption(option: Option): unknown }): void {
  const options = [
    new Option(
      '--strict',
      'store nothing when a row is refused or repeats an id with another body (reads the list twice)',
    ),
    new Option(
      '--rejects <file>',
      'write every row that is refused, changed or a duplicate as JSON: source, line, id, what, reason, raw; - is standard output',
    ),
    new Option('--update-waiting', 'replace the bodies of items that still wait by those of the list'),
    new Option('--no-compare', 'do not compare bodies of rows whose items are there: they count as "exists"'),
    new Option(
      '--joblog <file>',
      "put what GNU parallel's log of jobs says is done as items that have succeeded",
    ),
    new Option(
      '--joblog-command <template>',
      "how a command of the log names an id, as it was given to GNU parallel: 'process {}'",
    ),
    new Option('--skip-done', 'with --joblog: leave out rows that are done'),
  ]
  for (const option of options) command.addOption(option)
}

export function storingOptions(
  flags: StoringFlags,
  { cwd }: Pick<CommandContext, 'cwd'>,
): Pick<LoadManifestOptions, 'strict' | 'rejects' | 'compare' | 'updateWaiting' | 'joblog'> {
  assertJoblogFlags(flags)
  if (flags.updateWaiting === true && flags.compare === false) {
    throw new CommandError('INVALID', '--update-waiting has to compare bodies: leave out --no-compare')
  }
  return {
    strict: flags.strict ?? false,
    compare: flags.compare ?? true,
    updateWaiting: flags.updateWaiting ?? false,
    ...(flags.rejects === undefined ? {} : { rejects: pathOf(flags.rejects, cwd) }),
    ...joblogOption(flags, cwd),
  }
}

/** `-` is standard output. */
function pathOf(path: string, cwd: string): string {
  return path === '-' ? path : resolve(cwd, path)
}

function joblogOption(
  { joblog, joblogCommand, skipDone }: StoringFlags,
  cwd: string,
): Pick<LoadManifestOptions, 'joblog'> {
  if (joblog === undefined) return {}
  const command = joblogCommand === undefined ? {} : { command: joblogCommand }
  return { joblog: { path: resolve(cwd, joblog), skipDone: skipDone === true, ...command } }
}

function assertJoblogFlags({ joblog, joblogCommand, skipDone }: StoringFlags): void {
  if (joblog === undefined && (joblogCommand !== undefined || skipDone === true)) {
    throw new CommandError('INVALID', '--joblog-command and --skip-done need --joblog')
  }
}
