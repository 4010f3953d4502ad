import { afterEach, beforeEach, expect, test } from 'vitest'
import { overridesIn } from '../../src/jobs/job-identity.js'
import { ArgoBench, jobOf } from '../argo-bench.js'

let bench: ArgoBench
beforeEach(async () => {
  bench = await ArgoBench.start({})
})
afterEach(() => bench.close())

const SPEC = { uid: 'uid-of-a', attempt: 1, queue: 'tiles' }

function secondsOf(): string | undefined {
  return bench.parameterOf(bench.nameOf(jobOf('a')), 'seconds')
}

test.each(['submit', 'create'] as const)(
  'an override takes the place of the item’s own parameter, via %s',
  async (via) => {
    const worker = await bench.open({ via })
    await worker.sendJob('a', { item: 'a', seconds: '5' }, { ...SPEC, overrides: { seconds: '60, =x' } })
    expect(secondsOf()).toBe('60, =x')
    expect((await worker.lookupJob(jobOf('a')))?.overrides).toEqual({ seconds: '60, =x' })
  },
)

test.each(['reject', 'ignore'] as const)(
  'a template that lacks the parameter gets no job, whatever unknownFields says: %s',
  async (unknownFields) => {
    const worker = await bench.open({ unknownFields })
    const sending = worker.sendJob('a', { item: 'a' }, { ...SPEC, overrides: { memory: '8Gi' } })
    await expect(sending).rejects.toThrow(/template has no parameter memory/u)
    expect(bench.countOf(jobOf('a'))).toBe(0)
  },
)

test('check names the parameter that the template lacks, and those that it has', async () => {
  const worker = await bench.open()
  await expect(worker.check({ overrides: ['seconds'] })).resolves.toBeUndefined()
  await expect(worker.check({ overrides: ['memory'] })).rejects.toThrow(
    /retry rule escalates memory, and WorkflowTemplate .* has no parameter of that name; it has item, mode, seconds/u,
  )
})

test.each([undefined, '%7Bnone', '%', '7', '%7B%22a%22%3A1%7D'])(
  'the annotation %s counts as none',
  (text) => {
    const annotations = text === undefined ? {} : { 'sluice/overrides': text }
    expect(overridesIn({ metadata: { name: 'w', uid: 'u', annotations } })).toBeUndefined()
  },
)
