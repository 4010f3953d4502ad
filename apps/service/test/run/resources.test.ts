import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox } from '../fixtures/sandbox.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
})

afterEach(() => box.close())

/** Each job notes the most of them that ran at once. */
const COUNT_RUNNING =
  'mkdir -p running; : > running/$$; ls running | wc -l >> counts; sleep 0.1; rm running/$$; echo done'

async function configure(processing: object, queue: object = { package: 'sql', url: 'sqlite:q.db' }) {
  const config = {
    queue: { name: 'trainings', ...queue },
    worker: { package: 'process', command: ['sh', '-c', COUNT_RUNNING] },
    processing,
    service: { intervalMs: 50 },
    log: { level: 'warn' },
  }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
}

describe('limits of resources and keys', () => {
  test('hold over a whole run, and an item that can never fit fails with the reason', async () => {
    await configure({ limit: 10, resources: { gpu: 2 } })
    const rows = Array.from({ length: 9 }, (_, n) => JSON.stringify({ n, gpu: n === 4 ? 3 : 1 }))
    await writeFile(join(box.dir, 'rows.jsonl'), `${rows.join('\n')}\n`)
    const loaded = await box.run(['load', 'rows.jsonl', '--id-field', 'n', '--resources', 'gpu=$.gpu'])
    expect([loaded.code, loaded.err]).toEqual([0, expect.any(String)])
    const ran = await box.run(['run', '--until-empty'])
    expect(ran.err).not.toContain('    at ')
    const shown = await box.run(['show', '4'])
    expect(shown.out).toContain('it needs 3 of gpu, and the limit is 2')
    const queue = await openQueue({ name: 'trainings', url: `sqlite:${join(box.dir, 'q.db')}` })
    expect(await queue.sizes()).toMatchObject({ SUCCESS: 8, FAIL: 1, WAITING: 0 })
    await queue.close()
    const counts = (await readFile(join(box.dir, 'counts'), 'utf8')).trim().split('\n').map(Number)
    expect(Math.max(...counts)).toBe(2)
  })

  test('are shown, changed live and taken away', async () => {
    await configure({ limit: 10, resources: { gpu: 8 }, perKey: 5 })
    await box.run(['put', 'a', '1', '--resources', 'gpu=1', '--limit-key', 'ada'])
    const set = await box.run(['limit', '--resource', 'gpu=4', '--per-key', '2'])
    expect(set.out).toContain('at most 4 of gpu in use, set by `sluice limit --resource`')
    expect(set.out).toContain('at most 2 jobs at once of each limit key, set by `sluice limit --per-key`')
    const shown = await box.run(['policy', 'show'])
    expect(shown.out).toContain('at most 8 of gpu in use')
    expect(shown.out).toContain('at most 5 jobs at once of each limit key')
    expect(shown.out).toContain('at most 4 of gpu in use, set by')
    const limits = async (): Promise<unknown> =>
      JSON.parse((await box.run(['limit', '--json'])).out).otherLimits
    expect(await limits()).toEqual({ 'resources.gpu': 4, perKey: 2 })
    await box.run(['limit', '--reset'])
    expect(await limits()).toBeUndefined()
  })

  test.each([
    [{ resources: { gpu: -1 } }, 'processing.resources.gpu'],
    [{ resources: { '8gpu': 1 } }, 'processing.resources'],
    [{ perKey: 1.5 }, 'processing.perKey'],
    [{ maxPassed: 5 }, 'processing.maxPassed'],
  ])('%j is refused with its setting', async (processing, setting) => {
    await configure({ limit: 10, ...processing })
    const { code, err } = await box.run(['check'])
    expect(code).toBe(2)
    expect(err).toContain(setting)
  })

  test.each([['gpu'], ['gpu=-1'], ['=3'], ['gpu=x']])('limit --resource %s is refused', async (text) => {
    await configure({ limit: 10, resources: { gpu: 8 } })
    const { code, err } = await box.run(['limit', '--resource', text])
    expect(code).toBe(2)
    expect(err).toContain('such as gpu=4')
  })
})
