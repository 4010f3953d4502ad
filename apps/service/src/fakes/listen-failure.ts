import { CommandError } from '../cli/command-error.js'

/** Explains the error of a server that could not listen; any other error stays unchanged. */
export function listenFailure(error: unknown, { port, host }: { port: number; host: string }): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'EADDRINUSE')
    return new CommandError(
      'INVALID',
      `Port ${port} of ${host} is in use. Choose another; --port 0 takes any free one`,
    )
  if (['EADDRNOTAVAIL', 'ENOTFOUND', 'EACCES'].includes(code))
    return new CommandError(
      'INVALID',
      `Can't listen on port ${port} of ${host}: ${code}. Choose another --host or --port`,
    )
  return error
}
