import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from '../../packages/testkit/src/server/free-port.ts'
import { removeFolder, temporaryFolder } from './temporary.ts'

export interface RedisServer {
  readonly port: number
  readonly pid: number
  readonly version: string
  stop(): Promise<void>
}

/** Starts a redis-server with an append-only file synced each second; `undefined` where none is installed. */
export async function startRedis(): Promise<RedisServer | undefined> {
  const version = installedVersion()
  if (version === undefined) return undefined
  const port = await freePort()
  const directory = temporaryFolder('bench-redis')
  const settings = `--port ${port} --bind 127.0.0.1 --appendonly yes --appendfsync everysec --save`
  const server = spawn('redis-server', [...settings.split(' '), '', '--dir', directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const end = (): void => {
    server.kill('SIGKILL')
  }
  process.once('exit', end)
  for await (const text of server.stdout) if (String(text).includes('Ready to accept connections')) break
  server.stdout.resume()
  return {
    port,
    pid: server.pid ?? 0,
    version,
    stop: async () => {
      process.off('exit', end)
      const closed = once(server, 'exit')
      server.kill('SIGTERM')
      await closed
      removeFolder(directory)
    },
  }
}

function installedVersion(): string | undefined {
  try {
    return /v=(\S+)/u.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1]
  } catch {
    return undefined
  }
}
