import fc from 'fast-check'
import { expect, test } from 'vitest'
import { machineLimit, type DispatchSnapshot, type MachineReadings } from '../../src/index.js'
import { judge } from '../../src/policies/dispatch-policy.js'
import { parseBytes } from '../../src/policies/machine/byte-size.js'
import { cgroupBytes } from '../../src/policies/machine/cgroup-memory.js'
import { systemReadings } from '../../src/policies/machine/readings.js'

const GIB = 2 ** 30

const at = (nowAt: number): DispatchSnapshot => ({ processing: 3, orphans: 0, limits: {}, nowAt })

class Machine implements MachineReadings {
  load: number | undefined = 0
  bytes = 8 * GIB
  reads = 0

  loadPerCore(): number | undefined {
    this.reads += 1
    return this.load
  }

  availableBytes(): number {
    return this.bytes
  }
}

test('while the load is above the bound nothing starts, and then not before it is a tenth below', () => {
  const machine = new Machine()
  const policy = machineLimit({ load: 0.8 }, machine)
  const rooms = [0.8, 0.81, 0.75, 0.72, 0.8, 0.9].map((load, second) => {
    machine.load = load
    return judge(policy, at(second * 1_000)).room
  })
  expect(rooms).toEqual([Infinity, 0, 0, Infinity, Infinity, 0])
  expect(judge(policy, at(5_000)).holdup).toEqual({
    code: 'machine',
    message: 'the load of this machine is 0.9 for each core, and the bound is 0.8',
  })
})

test('while less memory is available than the bound nothing starts, and then not before a tenth more is', () => {
  const machine = new Machine()
  const policy = machineLimit({ freeMemory: '2Gi' }, machine)
  const rooms = [2, 1.9, 2.1, 2.3, 2].map((gib, second) => {
    machine.bytes = gib * GIB
    return judge(policy, at(second * 1_000)).room
  })
  expect(rooms).toEqual([Infinity, 0, 0, Infinity, Infinity])
  machine.bytes = 1.5 * GIB
  expect(judge(policy, at(9_000)).holdup?.message).toBe(
    'this machine has 1.5 GiB of memory available, and the bound is 2 GiB',
  )
})

test('it is read once a second, however often it is asked; also after the clock was set back', () => {
  const machine = new Machine()
  const policy = machineLimit({ load: 1 }, machine)
  const before = machine.reads
  for (const now of [10_000, 10_000, 10_999]) judge(policy, at(now))
  expect(machine.reads - before).toBe(1)
  judge(policy, at(11_000))
  judge(policy, at(2_000))
  expect(machine.reads - before).toBe(3)
})

test('any run of readings: as a model of two switches says', () => {
  const reading = fc.record({ load: fc.double({ min: 0, max: 2, noNaN: true }), gib: fc.nat(40) })
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 30 }), (readings) => {
      const machine = new Machine()
      const policy = machineLimit({ load: 1, freeMemory: 2 * GIB }, machine)
      const held = { load: false, memory: false }
      for (const [second, { load, gib }] of readings.entries()) {
        machine.load = load
        machine.bytes = (gib / 10) * GIB
        held.load = held.load ? load > 0.9 : load > 1
        held.memory = held.memory ? machine.bytes < 2.2 * GIB : machine.bytes < 2 * GIB
        const expected = held.load || held.memory ? 0 : Infinity
        expect(judge(policy, at(second * 1_000)).room).toBe(expected)
      }
    }),
  )
})

test('wrong bounds are refused, and a load where the system has none', () => {
  expect(() => machineLimit({})).toThrow('needs a load, a freeMemory, or both')
  for (const load of [0, -1, Number.NaN, Infinity]) expect(() => machineLimit({ load })).toThrow(TypeError)
  for (const freeMemory of ['2 Gi', 'Gi', '-1Gi', '', '2gi', Number.NaN])
    expect(() => machineLimit({ freeMemory })).toThrow('must be a size such as 2Gi')
  const windows = Object.assign(new Machine(), { load: undefined })
  expect(() => machineLimit({ load: 1 }, windows)).toThrow('no load average')
  expect(judge(machineLimit({ freeMemory: '1Gi' }, windows), at(0)).room).toBe(Infinity)
})

test('sizes are those of Kubernetes', () => {
  const sizes = ['2Gi', '512Mi', '1.5G', '100', '1Ki', '1T'].map((size) => parseBytes(size, 'size'))
  expect(sizes).toEqual([2 * GIB, 512 * 2 ** 20, 1.5e9, 100, 1_024, 1e12])
})

test('the memory limits of cgroups hold, those of parents too; unused file pages count as available', () => {
  const v2 = {
    '/proc/self/cgroup': '0::/kubepods/pod1/abc\n',
    '/sys/fs/cgroup/kubepods/pod1/abc/memory.max': 'max\n',
    '/sys/fs/cgroup/kubepods/pod1/abc/memory.current': '100\n',
    '/sys/fs/cgroup/kubepods/pod1/memory.max': '1000\n',
    '/sys/fs/cgroup/kubepods/pod1/memory.current': '900\n',
    '/sys/fs/cgroup/kubepods/pod1/memory.stat': 'anon 100\ninactive_file 300\nactive_file 1\n',
  }
  expect(cgroupBytes(files(v2))).toBe(400)
  const inContainer = {
    '/proc/self/cgroup': '0::/\n',
    '/sys/fs/cgroup/memory.max': '500\n',
    '/sys/fs/cgroup/memory.current': '600\n',
  }
  expect(cgroupBytes(files(inContainer))).toBe(0)
  const v1 = {
    '/proc/self/cgroup': '5:cpu,cpuacct:/x\n4:memory:/docker/abc\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': '2000\n',
    '/sys/fs/cgroup/memory/memory.usage_in_bytes': '1500\n',
    '/sys/fs/cgroup/memory/memory.stat': 'inactive_file 1\ntotal_inactive_file 500\n',
  }
  expect(cgroupBytes(files(v1))).toBe(1_000)
  expect(cgroupBytes(() => undefined)).toBe(Infinity)
})

function files(contents: Record<string, string>): (path: string) => string | undefined {
  return (path) => contents[path]
}

test('this machine has readings', () => {
  const readings = systemReadings()
  expect(readings.availableBytes()).toBeGreaterThan(0)
  expect(readings.loadPerCore() ?? -1).toBeGreaterThanOrEqual(process.platform === 'win32' ? -1 : 0)
})
