import { expect, test } from 'vitest'
import { OomKills, counterFiles } from '../../src/processes/oom-kills.js'

async function setup(first: number | undefined = 3) {
  const world = { count: first as number | undefined, ms: 0 }
  const runtime = { monotonicMs: () => world.ms }
  const kills = await OomKills.open({ runtime, count: async () => world.count })
  return { world, kills }
}

test('what was counted before explains nothing', async () => {
  const { kills } = await setup()
  expect(kills.explain(1)).toBe(false)
})

test('each kill explains one death', async () => {
  const { world, kills } = await setup()
  world.count = 5
  await kills.read()
  expect(kills.explain(1)).toBe(true)
  expect(kills.explain(1)).toBe(true)
  expect(kills.explain(1)).toBe(false)
})

test('more deaths at once than kills are explained by none, since which is which is not known', async () => {
  const { world, kills } = await setup()
  world.count = 4
  await kills.read()
  expect(kills.explain(2)).toBe(false)
  world.count = 5
  await kills.read()
  expect(kills.explain(2)).toBe(true)
})

test('a kill of long ago explains no death of now', async () => {
  const { world, kills } = await setup()
  world.count = 4
  await kills.read()
  world.ms = 10_000
  await kills.read()
  expect(kills.explain(1)).toBe(false)
})

test('where the kernel does not say, nothing is explained; nor by a counter that has begun again', async () => {
  const silent = await setup()
  silent.world.count = undefined
  await silent.kills.read()
  expect(silent.kills.explain(1)).toBe(false)
  const { world, kills } = await setup()
  world.count = 0
  await kills.read()
  expect(kills.explain(1)).toBe(false)
})

test('the counter is that of the own group, of either version, or the one at the top', () => {
  expect(counterFiles('0::/system.slice/sluice.service\n')).toEqual([
    '/sys/fs/cgroup/system.slice/sluice.service/memory.events',
    '/sys/fs/cgroup/memory.events',
  ])
  expect(counterFiles('5:cpu,cpuacct:/a\n4:hugetlb,memory:/b:c\n')).toEqual([
    '/sys/fs/cgroup/memory/b:c/memory.oom_control',
    '/sys/fs/cgroup/memory/memory.oom_control',
  ])
  expect(counterFiles('')).toEqual([])
})
