import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { SluiceError, type Clock } from '@sluice/core'
import type { ArgoWorkerSettings } from './options.js'

/** How long a token file isn't looked at again: Kubernetes replaces a projected one long before the old one ends. */
const LOOK_EVERY_MS = 1_000
const COMMAND_TIMEOUT_MS = 30_000

/** Gives the value of the `Authorization` header. */
export interface Credentials {
  /** @throws SluiceError SLUICE_WORKER_DENIED when there is none to be had */
  authorization(): Promise<string | undefined>
  /** The server refused this one: resolves to another one, or `undefined` when there is no other. */
  renewed(refused: string | undefined): Promise<string | undefined>
}

type TokenOptions = Pick<ArgoWorkerSettings, 'token' | 'tokenFile' | 'tokenCommand'>

/**
 * The credentials that the options name.
 *
 * @param commandDir where `tokenCommand` runs; default the working directory
 */
export function credentialsOf(
  { token, tokenFile, tokenCommand }: TokenOptions,
  clock: Clock,
  commandDir?: string,
): Credentials {
  if (tokenFile !== undefined) return new ReadCredentials(fileToken(tokenFile, clock))
  if (tokenCommand !== undefined) return new ReadCredentials(commandToken(tokenCommand, commandDir))
  const fixed = token === undefined ? undefined : headerOf(token)
  return { authorization: async () => fixed, renewed: async () => undefined }
}

/** Reads a token; with `afresh` not from memory. */
type ReadToken = (afresh: boolean) => Promise<string>

class ReadCredentials implements Credentials {
  readonly #read: ReadToken
  #renewing: Promise<string> | undefined

  constructor(read: ReadToken) {
    this.#read = read
  }

  async authorization(): Promise<string | undefined> {
    return headerOf(await this.#read(false))
  }

  async renewed(refused: string | undefined): Promise<string | undefined> {
    const current = await this.authorization()
    if (current !== refused) return current
    // However many requests were refused at once, the token is fetched once.
    this.#renewing ??= this.#read(true).finally(() => {
      this.#renewing = undefined
    })
    const fresh = headerOf(await this.#renewing)
    return fresh === refused ? undefined : fresh
  }
}

function fileToken(path: string, clock: Clock): ReadToken {
  let known: { readonly token: string; readonly changed: string; readonly lookedMs: number } | undefined
  return async (afresh) => {
    const nowMs = clock.monotonicMs()
    if (known !== undefined && !afresh && nowMs - known.lookedMs < LOOK_EVERY_MS) return known.token
    try {
      const { mtimeMs, ino, size } = await stat(path)
      const changed = `${mtimeMs} ${ino} ${size}`
      const token = known?.changed === changed && !afresh ? known.token : await readFile(path, 'utf8')
      known = { token, changed, lookedMs: nowMs }
      return token
    } catch (error) {
      throw denied(`The token file ${path} can't be read`, error)
    }
  }
}

const run = promisify(execFile)

function commandToken([program = '', ...args]: readonly string[], cwd: string | undefined): ReadToken {
  let known: Promise<string> | undefined
  return (afresh) => {
    if (known === undefined || afresh) {
      const printed = run(program, args, { timeout: COMMAND_TIMEOUT_MS, encoding: 'utf8', cwd })
      known = printed.then(
        ({ stdout }) => stdout,
        (error: unknown) => {
          known = undefined
          throw denied(`The token command ${program} failed`, error)
        },
      )
    }
    return known
  }
}

/** Argo takes `Bearer` with exactly one space; a token may have been written down with it. */
function headerOf(token: string): string {
  const trimmed = token.trim()
  if (trimmed === '') throw denied('The token is empty')
  return /^(?:Bearer|Basic) /u.test(trimmed) ? trimmed : `Bearer ${trimmed}`
}

/** The cause is left out: it may quote what a command printed. */
function denied(what: string, error?: unknown): SluiceError {
  const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
  const message = `${what}${code}: nothing can be asked of Argo without it.`
  return new SluiceError('SLUICE_WORKER_DENIED', message, { concerns: 'worker' })
}
