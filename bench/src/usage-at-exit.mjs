// Loaded into a process that is measured: when it ends, it writes what it used to the file that USAGE_FILE
// names. Not `maxRSS` where there is `/proc`: on Linux that begins with what the process that started it had.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

process.on('exit', () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  const status = '/proc/self/status'
  const peak = existsSync(status) ? /VmHWM:\s+(\d+) kB/u.exec(readFileSync(status, 'utf8'))?.[1] : undefined
  writeFileSync(
    process.env['USAGE_FILE'] ?? 'usage.json',
    JSON.stringify({ cpuMs: (userCPUTime + systemCPUTime) / 1_000, peakKiB: Number(peak ?? maxRSS) }),
  )
})
