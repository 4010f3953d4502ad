import { resolve } from 'node:path'
import type { BackupProgress } from '@sluice/core'
import { CommandError } from '../../cli/command-error.js'
import { printable, warningsOf } from '../../output/output.js'
import { itemsText, percentText } from '../../output/amounts.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice backup`: a consistent copy of a SQLite file while services use it. */
export function registerBackup(program: Program, context: CommandContext): void {
  program
    .command('backup')
    .description(
      'Copy the SQLite file of the queue while services run; the copy is verified, and complete or absent',
    )
    .argument('<file>', 'the new file; an existing one is not overwritten')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'UNAVAILABLE', 'DENIED', 'INTERRUPTED']))
    .action((file) => backUp(context, resolve(context.cwd, file)))
}

const EXAMPLES = ['sluice backup /backups/tiles.db', 'sluice backup "tiles-$(date +%F).db" --json']

const NOTES = `
The copy has every queue of the file, at one instant. Do not use cp: the last writes are in the -wal file, and a service that writes
meanwhile makes the copy inconsistent. To restore a copy: stop every service, move the file and its -wal and -shm away, and put the copy in
its place. The queue then knows nothing of later changes; the README describes what happens to jobs. For a sound copy SQLite 3.40 (Debian 12)
reports a NULL value in sluice_processing.seq: check it with 3.42 or newer.`

async function backUp(context: CommandContext, target: string): Promise<void> {
  const { output } = context
  const loaded = await context.config()
  const { queue } = loaded.config
  const { loadQueueStore } = await import('../../packages/open-package.js')
  const { found, given, use, at } = await loadQueueStore(queue, { ...loaded, logger: warningsOf(output) })
  if (found.backupStore === undefined) throw new CommandError('INVALID', cannotText(queue.package))
  const { default: prettyBytes } = await import('pretty-bytes')
  const { LiveView } = await import('../../output/live-view.js')
  const view = new LiveView({ stream: output.stderr, runtime: context.runtime })
  const onProgress = ({ doneBytes, totalBytes }: BackupProgress): void => {
    const what = doneBytes < totalBytes ? 'copied' : 'copied; verifying'
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
      `Interrupted before the copy was complete: ${printable(target)} was not created.`,
    )
  }
}

/** The alternative to a package without backup. */
function cannotText(name: string): string {
  const cannot = `${name} can't copy its store: it exports no function backupStore.`
  if (name === 's3' || name === '@sluice/queue-s3') {
    return (
      `${cannot} A bucket has no consistent copy while services write to it: stop them, then copy all keys under the prefix with the store's tools, ` +
      "such as aws s3 sync; or use the store's own replication."
    )
  }
  return `${cannot} Use the storage's own tools.`
}
