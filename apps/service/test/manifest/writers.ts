import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { stringify } from 'csv-stringify/sync'
import Papa from 'papaparse'

/** A table of strings. */
export interface StringTable {
  readonly names: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** A program that writes tables, and the flags by which `sluice load` reads exactly what it was given. */
export interface TableWriter {
  /** As in docs/manifests.md. */
  readonly name: string
  readonly format: 'csv' | 'tsv' | 'jsonl'
  /** As in docs/manifests.md, beside those for any table of strings. */
  readonly flags: readonly string[]
  readonly needsPython?: true
  readonly needsPandas?: true
  /** What it refuses to write. */
  readonly cannot?: (table: StringTable) => boolean
  readonly write: (table: StringTable) => string | Buffer | Promise<Buffer>
}

/**
 * Values may begin with #, rows may be written as the header is, and a name may begin or end with a blank.
 */
export const ANY_STRINGS = [
  '--comment',
  'none',
  '--keep-header-rows',
  '--header-blanks',
  'keep',
  '--byte-order-marks',
  'keep',
]

const json = (table: StringTable, write: (value: unknown) => string) =>
  table.rows
    .map((row) => `${write(Object.fromEntries(table.names.map((name, index) => [name, row[index]])))}\n`)
    .join('')

/**
 * It leaves out the last line end: of a table of one column, an empty value in the last row is not in the
 * text without it.
 */
const papa = ({ names, rows }: StringTable, delimiter: string) =>
  `${Papa.unparse({ fields: [...names], data: rows.map((row) => [...row]) }, { delimiter })}\r\n`

export const WRITERS: readonly TableWriter[] = [
  {
    name: 'csv-stringify',
    format: 'csv',
    flags: ['--delimiter', ',', '--line-ends', 'lf'],
    write: ({ names, rows }) => stringify([names, ...rows].map((row) => [...row])),
  },
  {
    name: "Python's csv",
    format: 'csv',
    flags: ['--delimiter', ','],
    needsPython: true,
    write: (table) => python().write('csv', table),
  },
  {
    name: 'PapaParse',
    format: 'csv',
    flags: ['--delimiter', ','],
    write: (table) => papa(table, ','),
  },
  {
    name: 'csv-stringify, `escape: "\\\\"`',
    format: 'csv',
    flags: ['--delimiter', ',', '--line-ends', 'lf', '--escape', '\\', '--escape-in', 'quotes'],
    write: ({ names, rows }) =>
      stringify(
        [names, ...rows].map((row) => [...row]),
        { escape: '\\' },
      ),
  },
  {
    name: 'csv-stringify, tabs',
    format: 'tsv',
    flags: ['--delimiter', 'tab', '--quote', '"', '--line-ends', 'lf'],
    write: ({ names, rows }) =>
      stringify(
        [names, ...rows].map((row) => [...row]),
        { delimiter: '\t' },
      ),
  },
  {
    name: "Python's csv, `excel-tab`",
    format: 'tsv',
    flags: ['--delimiter', 'tab', '--quote', '"'],
    needsPython: true,
    write: (table) => python().write('tsv', table),
  },
  {
    name: 'PapaParse, tabs',
    format: 'tsv',
    flags: ['--delimiter', 'tab', '--quote', '"'],
    write: (table) => papa(table, '\t'),
  },
  {
    name: "Python's csv, `QUOTE_NONE` and `escapechar`, tabs",
    format: 'tsv',
    flags: ['--delimiter', 'tab', '--line-ends', 'lf', '--escape', '\\'],
    needsPython: true,
    cannot: ({ names, rows }) => names.length === 1 && rows.some(([only]) => only === ''),
    write: (table) => python().write('escaped', table),
  },
  {
    name: "Python's csv, `doublequote=False` and `escapechar`",
    format: 'csv',
    flags: ['--delimiter', ',', '--escape', '\\', '--escape-in', 'everywhere'],
    needsPython: true,
    write: (table) => python().write('escaped csv', table),
  },
  {
    name: 'pandas `to_csv`, `escapechar="\\\\"`',
    format: 'csv',
    flags: ['--delimiter', ',', '--line-ends', 'lf', '--escape', '\\', '--escape-in', 'everywhere'],
    needsPython: true,
    needsPandas: true,
    write: (table) => python().write('pandas', table),
  },
  {
    name: '`JSON.stringify`',
    format: 'jsonl',
    flags: [],
    write: (table) => json(table, (value) => JSON.stringify(value)),
  },
  {
    name: "Python's json",
    format: 'jsonl',
    flags: [],
    needsPython: true,
    write: (table) => python().write('ascii', table),
  },
  {
    name: "Python's json, `ensure_ascii=False`",
    format: 'jsonl',
    flags: [],
    needsPython: true,
    write: (table) => python().write('utf8', table),
  },
]

/** Whether this machine has a Python. In CI there must be one. */
export function hasPython(): boolean {
  return spawnSync('python3', ['-c', 'import csv'], { stdio: 'ignore' }).status === 0
}

/** Whether its Python has pandas: CI need not. */
export function hasPandas(): boolean {
  return spawnSync('python3', ['-c', 'import pandas'], { stdio: 'ignore' }).status === 0
}

let running: PythonWriter | undefined

function python(): PythonWriter {
  running ??= new PythonWriter()
  return running
}

/** Ends the Python that wrote tables, if there was one. */
export function endPython(): void {
  running?.end()
  running = undefined
}

/** One Python for all tables: a start takes longer than a hundred of them. */
class PythonWriter {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: Interface
  readonly #waiting: PromiseWithResolvers<Buffer>[] = []

  constructor() {
    const script = fileURLToPath(new URL('csv_writer.py', import.meta.url))
    this.#child = spawn('python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface(this.#child.stdout)
    this.#lines.on('line', (line) => this.#waiting.shift()?.resolve(Buffer.from(line, 'base64')))
    this.#child.once('exit', () => {
      for (const waiting of this.#waiting) waiting.reject(new Error('Python ended'))
    })
  }

  write(how: string, { names, rows }: StringTable): Promise<Buffer> {
    const waiting = Promise.withResolvers<Buffer>()
    this.#waiting.push(waiting)
    this.#child.stdin.write(`${JSON.stringify([how, names, rows])}\n`)
    return waiting.promise
  }

  end(): void {
    this.#child.stdin.end()
  }
}
