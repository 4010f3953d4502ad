import { isSluiceError, type SluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import { openQueuePackage, openWorkerPackage } from '../../src/packages/open-package.js'

const HERE = { baseDirs: [import.meta.dirname] }

async function refusal(work: Promise<unknown>): Promise<SluiceError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!isSluiceError(error)) throw new Error(`not refused: ${String(error)}`)
  return error
}

test('Sluice’s own packages are opened by their short names, and export a schema of their options', async () => {
  const packages = await Promise.all([
    import('@sluice/queue-memory'),
    import('@sluice/queue-sql'),
    import('@sluice/worker-dummy'),
    import('@sluice/worker-process'),
  ])
  expect(packages.every((one) => 'optionsSchema' in one)).toBe(true)
  const queue = await openQueuePackage({ package: 'memory', name: 'q' }, HERE)
  const worker = await openWorkerPackage({ package: 'dummy', name: 'q' }, HERE)
  expect([queue.name, worker.name]).toEqual(['q', 'q'])
  await worker.close()
  await queue.close()
})

test('a name is never taken from the prototype of the table of short names', async () => {
  const error = await refusal(openQueuePackage({ package: 'constructor', name: 'q' }, HERE))
  expect(error.code).toBe('SLUICE_PACKAGE_MISSING')
  expect(error.message).toContain('npm install constructor')
})

test.each(['', ' ', '../', '@', 'a/../../b', 'node:fs', 'http://x'])(
  'the package %j is refused, not loaded',
  async (name) => {
    const error = await refusal(openQueuePackage({ package: name, name: 'q' }, HERE))
    expect(['SLUICE_PACKAGE_MISSING', 'SLUICE_CONFIG_INVALID']).toContain(error.code)
  },
)

test('a package of a worker is refused as a queue', async () => {
  const error = await refusal(openQueuePackage({ package: '@sluice/worker-dummy', name: 'q' }, HERE))
  expect(error.message).toBe(
    'queue.package: @sluice/worker-dummy is not a queue package: it exports no function openQueue',
  )
})
