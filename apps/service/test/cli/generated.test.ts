import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, test } from 'vitest'

test('the JSON Schema and the tables of the README are those of the schema and of --help', async () => {
  const script = fileURLToPath(new URL('../../scripts/generate.mjs', import.meta.url))
  const { exitCode, stderr } = await execa(process.execPath, [script, '--check'], { reject: false })
  expect([exitCode, stderr]).toEqual([0, ''])
})
