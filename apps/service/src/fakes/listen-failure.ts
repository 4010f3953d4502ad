import { CommandError } from '../cli/command-error.js'

/** What a command says that could not listen where it was told to; any other error stays as it is. */
export function listenFailure(error: unknown, { port, host }: { port: number; host: string }): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'EADDRINUSE')
    return new CommandError(
      'INVALID',
      `Port ${port} of ${host} is taken. Choose another: --port 0 takes any free one`,
    )
  if (['EADDRNOTAVAIL', 'ENOTFOUND', 'EACCES'].includes(code))
    return new CommandError(
      'INVALID',
      `It can't listen on port ${port} of ${host}: ${code}. Choose others: --host, --port`,
    )
  return error
}
