// Kills this process with SIGKILL just before the CRASH_AT-th change that it makes to the world: a file
// system call that changes something, a process started, or the word `go` sent to a supervisor.
import childProcess from 'node:child_process'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { Writable } from 'node:stream'

const crashAt = Number(process.env.CRASH_AT)
let count = 0

function counted(original) {
  return function (...args) {
    if (globalThis.countOperations && count++ === crashAt) {
      process.kill(process.pid, 'SIGKILL')
      // The signal is on its way: nothing more may happen in this process.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    }
    return Reflect.apply(original, this, args)
  }
}

for (const name of ['mkdir', 'open', 'rename', 'rm', 'symlink', 'unlink', 'writeFile'])
  fs[name] = counted(fs[name])
childProcess.spawn = counted(childProcess.spawn)
const end = Reflect.get(Writable.prototype, 'end')
Writable.prototype.end = function (...args) {
  return Reflect.apply(args[0] === 'go\n' ? counted(end) : end, this, args)
}
syncBuiltinESMExports()
