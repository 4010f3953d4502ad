import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** What a fake Argo Server was asked. */
export interface FakeTally {
  /** By operation. */
  readonly requests: Readonly<Record<string, number>>
  readonly answerBytes: number
  /** From the first submit that arrived to the last one. */
  readonly sendsPerSecond: number
}

/** A fake Argo Server in a process of its own. */
export interface RunningFake {
  readonly url: string
  readonly token: string
  tally(): Promise<FakeTally>
  close(): Promise<void>
}

/** Starts one. It ends with this process. */
export async function startFake(): Promise<RunningFake> {
  const child = fork(join(import.meta.dirname, 'argo-fake-process.ts'), [], { execArgv: [] })
  const [address]: [{ url: string; token: string }] = await nextMessage(child)
  return {
    ...address,
    tally: async () => {
      child.send('tally')
      const [tally]: [FakeTally] = await nextMessage(child)
      return tally
    },
    close: async () => {
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    },
  }
}

async function nextMessage<T>(child: ReturnType<typeof fork>): Promise<[T]> {
  const failed = new AbortController()
  const onExit = (code: number | null): void => {
    failed.abort(new Error(`the fake Argo Server ended with ${code}`))
  }
  child.once('exit', onExit)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own process at the other end
  const message = (await once(child, 'message', { signal: failed.signal })) as [T]
  child.off('exit', onExit)
  return message
}
