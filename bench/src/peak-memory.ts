// Loaded before a program: writes the most memory that its process had, in MB, into a file when it ends. Not
// `maxRSS`, which on Linux begins with what the process that started it had.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

const file = process.env['SLUICE_BENCH_PEAK_FILE']
if (file !== undefined) process.on('exit', () => writeFileSync(file, String(peakMb())))

function peakMb(): number {
  const status = '/proc/self/status'
  const kib = existsSync(status) ? /VmHWM:\s+(\d+) kB/u.exec(readFileSync(status, 'utf8'))?.[1] : undefined
  return (kib === undefined ? process.resourceUsage().maxRSS : Number(kib)) * 1.024e-3
}
