import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { openQueue } from '@sluice/queue-sql'
import { batches } from '../batches.ts'
import { sized, type Bench, type BenchCase } from '../bench-case.ts'
import { removeFolder, temporaryFolder } from '../temporary.ts'

const ITEMS = 150_000
const PROGRAM = join(import.meta.dirname, '../sqlite-process.ts')

/**
 * Processes that share one SQLite file, which has one writer at a time: what do they lose by waiting for each
 * other?
 */
export const sqliteProcesses: BenchCase = {
  name: 'sqlite-processes',
  title: 'SQLite: several processes on one file, claim and settle, batch 100',
  run: async (bench) => {
    for (let repeat = 0; repeat < bench.repeats; repeat++) {
      for (const count of repeat % 2 === 0 ? [1, 4] : [4, 1]) await runTogether(bench, count, repeat)
    }
  },
}

async function runTogether(bench: Bench, count: number, repeat: number): Promise<void> {
  const directory = temporaryFolder('bench')
  const url = `sqlite:${join(directory, 'queue.db')}`
  const queue = await openQueue({ name: 'bench', url })
  for (const batch of batches(sized(bench, ITEMS))) await queue.putMany(batch)
  const started = await Promise.all(Array.from({ length: count }, () => start(url, bench.seconds)))
  const done = await Promise.all(started.map((go) => go()))
  const items = done.reduce((sum, each) => sum + each.items, 0)
  const seconds = Math.max(...done.map((each) => each.seconds))
  const settled = await queue.size('SUCCESS')
  if (settled !== items) throw new Error(`${settled} items are in SUCCESS, and ${items} were settled`)
  await queue.close()
  removeFolder(directory)
  const cell = count === 1 ? '1 process' : `${count} processes`
  const figures = { items, seconds, perSecond: items / seconds }
  bench.note({ case: 'sqlite-processes', cell, adapter: 'sluice', repeat, ...figures })
}

interface Done {
  readonly items: number
  readonly seconds: number
}

/** @returns what lets the process begin once it and the others have opened the file, and gives what it did */
async function start(url: string, seconds: number): Promise<() => Promise<Done>> {
  const child = spawn(process.execPath, [PROGRAM, url, String(seconds)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  await lines.next()
  return async () => {
    child.stdin.end('go')
    const { value } = await lines.next()
    const done: Done = JSON.parse(String(value))
    return done
  }
}
