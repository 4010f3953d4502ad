// Kills this process with SIGKILL just before the CRASH_AT-th change that it makes to the world: a file
// system call that changes something, a process started, or a message to a supervisor. In a supervisor it is
// the SUPERVISOR_CRASH_AT-th one, and a message is one to its service.
import childProcess from 'node:child_process'
import syncFs from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const isSupervisor = (process.argv[1] ?? '').endsWith('supervisor/main.ts')
const crashAt = Number(isSupervisor ? process.env.SUPERVISOR_CRASH_AT : process.env.CRASH_AT)
const { writeFileSync } = syncFs
let count = 0

function counted(original) {
  return function (...args) {
    if ((isSupervisor || globalThis.countOperations) && count++ === crashAt) {
      if (isSupervisor) writeFileSync(process.env.CRASHED_FILE, '')
      process.kill(process.pid, 'SIGKILL')
      // The signal is on its way: nothing more may happen in this process.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    }
    return Reflect.apply(original, this, args)
  }
}

const names = ['mkdir', 'open', 'rename', 'rm', 'rmdir', 'symlink', 'unlink', 'writeFile']
for (const name of names) {
  fs[name] = counted(fs[name])
  syncFs[`${name}Sync`] = counted(syncFs[`${name}Sync`])
}
childProcess.spawn = counted(childProcess.spawn)
const { spawn } = childProcess
childProcess.spawn = (...args) => {
  const child = spawn(...args)
  if (child.connected) child.send = counted(child.send)
  return child
}
if (process.send !== undefined) process.send = counted(process.send.bind(process))
syncBuiltinESMExports()
