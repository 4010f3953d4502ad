// Loaded into a process that is measured: when it ends, it writes what it used to the file that USAGE_FILE
// names.
import { writeFileSync } from 'node:fs'

process.on('exit', () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  writeFileSync(
    process.env['USAGE_FILE'] ?? 'usage.json',
    JSON.stringify({ cpuMs: (userCPUTime + systemCPUTime) / 1_000, peakKiB: maxRSS }),
  )
})
