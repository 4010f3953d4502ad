import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { psTable, systemProcessTable } from '../../src/processes/process-table.js'

test.each([
  ['the system’s', systemProcessTable()],
  ['ps', psTable],
])('%s: knows the living, each by its start, and no zombie', async (_, table) => {
  const env = { ...process.env, SLUICE_TEST_MARK: 'x1' }
  const child = spawn('sleep', ['100'], { detached: true, stdio: 'ignore', env })
  const pid = Number(child.pid)
  const starts = await table.starts([pid, process.pid, 4_100_000])
  expect(new Set(starts.keys())).toEqual(new Set([pid, process.pid]))
  expect(await table.starts([pid, process.pid])).toEqual(starts)
  expect(await table.hasMarkedMember(pid, 'SLUICE_TEST_MARK=x1')).toBe(true)
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
  expect((await table.starts([pid])).size).toBe(0)
  expect(await table.hasMarkedMember(pid, 'SLUICE_TEST_MARK=x1')).toBe(false)
  expect(await table.starts([])).toEqual(new Map())
})

test('a group is known by its mark, not by its number', async () => {
  const child = spawn('sleep', ['100'], { detached: true, stdio: 'ignore' })
  expect(await systemProcessTable().hasMarkedMember(Number(child.pid), 'SLUICE_TEST_MARK=x1')).toBe(false)
  child.kill('SIGKILL')
})

test('a boot has a name that stays', async () => {
  const table = systemProcessTable()
  expect(await table.bootId()).toMatch(/\S/u)
  expect(await table.bootId()).toBe(await table.bootId())
})
