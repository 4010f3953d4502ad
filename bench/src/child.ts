import { execFile } from 'node:child_process'
import { once } from 'node:events'

/**
 * Runs a program of ours in a process of its own, which ends with this one however that ends; gives back what
 * it printed.
 */
export async function outputOf(
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const child = execFile(process.execPath, args, { cwd: import.meta.dirname, env })
  const end = (): void => {
    child.kill('SIGKILL')
  }
  process.once('exit', end)
  let printed = ''
  let complained = ''
  child.stdout?.on('data', (text) => (printed += String(text)))
  child.stderr?.on('data', (text) => (complained += String(text)))
  await once(child, 'close')
  process.off('exit', end)
  if (child.exitCode !== 0)
    throw new Error(`node ${args.join(' ')} ended with ${child.exitCode}: ${complained}`)
  return printed
}
