import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

const SOURCE = new URL('../../src/load/heap-growth.ts', import.meta.url).href

/**
 * What a load does to the heap: much passes through, and a little of it lives on for a while. Prints the size
 * of the young space.
 */
const CHURN = `
const { keepYoungHeapSmall } = await import(${JSON.stringify(SOURCE)})
keepYoungHeapSmall()
let kept = []
for (let n = 0; n < 3_000_000; n++) {
  kept.push({ id: 'item ' + n, body: { n } })
  if (kept.length > 5_000) kept = []
}
const { getHeapSpaceStatistics } = await import('node:v8')
console.log(getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space').space_size)
`

test('the space of young objects does not grow with what passes through it', () => {
  const flags = ['--experimental-strip-types', '--no-warnings', '--input-type=module']
  const printed = execFileSync(process.execPath, [...flags, '--eval', CHURN], { encoding: 'utf8' })
  expect(Number(printed)).toBeLessThan(16 * 1024 * 1024)
})
