import { resolve } from 'node:path'
import { Option } from '@commander-js/extra-typings'
import { CommandError } from '../../cli/command-error.js'
import type { LoadManifestOptions } from '../../load/load-manifest.js'
import type { CommandContext } from '../../cli/command.js'

/** The flags of `sluice load` for storing rows. */
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
Each row is one of: added; same (in the queue already, with this body); changed (in the queue with another body, which is kept); duplicate
(the id came before in this load); refused. Refused and changed rows, and duplicates with another body, are listed, the first 20 here and all
with --rejects, and the exit code is 2; all other rows are stored. Loading a list again is safe. Priority and delay are not compared.
--update-waiting replaces the bodies of changed items in WAITING; items that have left WAITING are counted and stay changed.
--strict stores nothing if a row is refused or repeats an id with another body. Changed rows are known only after storing: --strict reports
them afterwards.
--rejects writes all these rows and all duplicates in the order of the list, each with its text (raw): corrected, the texts can be loaded
again. An older file is replaced at the first row, or after the whole list was read. With --rejects - they go to standard output, and the
report to standard error.
A queue that does not exist is created at the first row to store: an empty or unreadable list creates none.
Rows are stored within a second of being read, also from an open pipe. On SIGINT and SIGTERM the rows read so far are stored, and the report
says where the load stopped.
--joblog continues a list begun with GNU parallel: rows whose command has exit value 0 and no signal in that log are put as succeeded items,
or left out with --skip-done. Existing items keep their stage; done ones still in WAITING are counted. Rows are matched by the command or its
value, never by line number: the id is the whole command, or the last argument of otherwise identical commands, or set by --joblog-command.
All other rows are loaded, also for truncated and merged records. Where the match is ambiguous, nothing is stored.
Repeated ids are detected among up to about 15 million different ids in a load (153 MB); beyond that they count as same or changed, and the
report says so.`

/** Registers the flags. */
export function addStoringOptions(command: { addOption(option: Option): unknown }): void {
  const options = [
    new Option(
      '--strict',
      'store nothing if a row is refused or repeats an id with another body (reads the list twice)',
    ),
    new Option(
      '--rejects <file>',
      'write every refused, changed or duplicate row as JSON: source, line, id, what, reason, raw; - is standard output',
    ),
    new Option('--update-waiting', 'replace the bodies of items in WAITING with those of the list'),
    new Option('--no-compare', 'do not compare bodies with existing items: these rows count as "exists"'),
    new Option('--joblog <file>', 'put the items that a job log of GNU parallel lists as done into SUCCESS'),
    new Option(
      '--joblog-command <template>',
      "the command as passed to GNU parallel, with the id as {}: 'process {}'",
    ),
    new Option('--skip-done', 'with --joblog: leave out done rows'),
  ]
  for (const option of options) command.addOption(option)
}

export function storingOptions(
  flags: StoringFlags,
  { cwd }: Pick<CommandContext, 'cwd'>,
): Pick<LoadManifestOptions, 'strict' | 'rejects' | 'compare' | 'updateWaiting' | 'joblog'> {
  assertJoblogFlags(flags)
  if (flags.updateWaiting === true && flags.compare === false) {
    throw new CommandError('INVALID', '--update-waiting compares bodies: remove --no-compare')
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
