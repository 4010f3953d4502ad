import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'

test('the example in the README is the one that runs here, and prints what it says', async () => {
  const source = await readFile(join(import.meta.dirname, 'readme-example.ts'), 'utf8')
  const readme = await readFile(join(import.meta.dirname, '..', 'README.md'), 'utf8')
  expect(readme).toContain(`\`\`\`ts\n${source.replace('../src/index.ts', '@sluice/fake-argo')}\`\`\``)
  const log = vi.spyOn(console, 'log').mockReturnValue()
  await import('./readme-example.ts')
  const said = [...source.matchAll(/^console\.log\(.*\) \/\/ (\w+) (\w+)/gmu)].map(([, ...words]) =>
    words.join(' '),
  )
  expect(said).toHaveLength(2)
  expect(log.mock.calls.map((words) => words.join(' '))).toEqual(said)
  log.mockRestore()
})
