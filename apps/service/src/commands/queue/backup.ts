import { resolve } from 'node:path'
import type { BackupProgress } from '@sluice/core'
import { CommandError } from '../../cli/command-error.js'
import { printable, warningsOf } from '../../output/output.js'
import { itemsText, percentText } from '../../output/amounts.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice backup`: a copy of a SQLite file, made while services are at work on it. */
export function registerBackup(program: Program, context: CommandContext): void {
  program
    .command('backup')
    .description(
      'Copy the SQLite file of the queue while services are at work; the copy is verified, and whole or not there',
    )
    .argument('<file>', 'the file to be made; one that exists is not overwritten')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'UNAVAILABLE', 'DENIED', 'INTERRUPTED']))
    .action((file) => backUp(context, resolve(context.cwd, file)))
}

const EXAMPLES = ['sluice backup /backups/tiles.db', 'sluice backup "tiles-$(date +%F).db" --json']

const NOTES = `
The copy has every queue of the file, as it is at one instant. cp does not make one: what was written last is in the -wal file beside it, and a
service that writes meanwhile leaves a copy of two instants. To go back to a copy: stop every service, move the file and its -wal and -shm away,
put the copy in its place. What has changed since the copy was made is then unknown to the queue: the README says what becomes of jobs. SQLite 3.40
(Debian 12) says NULL value in sluice_processing.seq of a sound copy: check it with 3.42 or newer.`

async function backUp(context: CommandContext, target: string): Promise<void> {
  const { output } = context
  const loaded = await context.config()
  const { queue } = loaded.config
  const { loadQueueStore } = await import('../../packages/open-package.js')
  const { found, given, use, at } = await loadQueueStore(queue, { ...loaded, logger: warningsOf(output) })
  if (found.backupStore === undefined) throw new CommandError('INVALID', cannotText(queue.package))
  const { default: prettyBytes } = await import('pretty-bytes')
  const { LiveView } = await import('../../output/live-view.js')
  const view = new LiveView({ stream: output.stderr })
  const onProgress = ({ doneBytes, totalBytes }: BackupProgress): void => {
    const what = doneBytes < totalBytes ? 'copied' : 'copied; it is being verified'
    const shown = () =>
      `${prettyBytes(doneBytes)} of ${prettyBytes(totalBytes)} (${percentText(doneBytes, totalBytes)}) ${what}`
    if (!output.json) view.update({ picture: shown, line: shown })
  }
  const signal = context.interrupted()
  try {
    const { bytes, items } = await found.backupStore(given, { ...use, target, onProgress, signal })
    view.stop()
    output.print(
      `Copied the queues${at} to ${printable(target)}: ${itemsText(items)}, ${prettyBytes(bytes)}`,
      {
        file: target,
        items,
        bytes,
      },
    )
  } catch (error) {
    view.stop()
    if (!signal.aborted) throw error
    throw new CommandError(
      'INTERRUPTED',
      `Stopped before the copy was whole: there is no ${printable(target)}.`,
    )
  }
}

/** What to do where a package has no backup. */
function cannotText(name: string): string {
  const cannot = `${name} can't copy its store: it exports no function backupStore.`
  if (name === 's3' || name === '@sluice/queue-s3') {
    return (
      `${cannot} A bucket is not copied at one instant while services write to it: stop them, then copy all keys under the prefix with the tools of the ` +
      "store, such as aws s3 sync; or use the store's own replication."
    )
  }
  return `${cannot} Use the means of its storage.`
}
