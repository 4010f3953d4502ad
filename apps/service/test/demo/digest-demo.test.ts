import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { digestCommand } from '../../src/demo/digest-demo.js'

const built = fileURLToPath(new URL('../../dist/digest.cjs', import.meta.url))
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-digest-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** The command as the process worker would start it, for one file. */
function commandFor(path: string): [string, string[]] {
  const [file = '', ...args] = digestCommand().slice(0, -1)
  const filled = args.map((arg) =>
    arg === '{body.path}' ? path : arg.replaceAll('{{', '{').replaceAll('}}', '}'),
  )
  return [file, [...filled, built]]
}

describe.each([
  ['the machine’s own tool', process.env['PATH'] ?? ''],
  ['our program, where the machine has no tool', '/nowhere'],
])('by %s', (_, path) => {
  test.each(['', 'plain text\n', '\0binary\xff'.repeat(100_000)])('a file’s digest and size', (content) => {
    const file = join(folder, `it's "odd" $(name)`)
    const bytes = Buffer.from(content, 'latin1')
    writeFileSync(file, bytes)
    const output = execFileSync(...commandFor(file), { encoding: 'utf8', env: { PATH: path } })
    expect(JSON.parse(output)).toEqual({
      sha256: createHash('sha256').update(bytes).digest('hex'),
      size: bytes.length,
    })
  })

  test('a missing file fails and is named', () => {
    const ended = spawnSync(...commandFor(join(folder, 'gone')), { encoding: 'utf8', env: { PATH: path } })
    expect(ended.status).not.toBe(0)
    expect(ended.stderr).toContain('gone')
    expect(ended.stdout).toBe('')
  })
})
