import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { SluiceError, type Runtime, type Secrets } from '@sluice/core'
import type { ArgoWorkerSettings } from '../options.js'

/**
 * How often a token file is read at most, in ms: Kubernetes replaces a projected one long before the old one
 * expires.
 */
const READ_EVERY_MS = 1_000
const COMMAND_TIMEOUT_MS = 30_000

/** Gives the value of the `Authorization` header. */
export interface Credentials {
  /** @throws SluiceError SLUICE_WORKER_DENIED when there is none to be had */
  authorization(): Promise<string | undefined>
  /** The server refused this one: resolves to another, or `undefined` when there is none. */
  renewed(refused: string | undefined): Promise<string | undefined>
}

type TokenOptions = Pick<ArgoWorkerSettings, 'token' | 'tokenFile' | 'tokenCommand'>

/** What credentials are read with. */
export interface CredentialParts {
  readonly runtime: Runtime
  /** Takes each token that is read. */
  readonly secrets: Secrets
  /** Where `tokenCommand` runs; default the working directory. */
  readonly commandDir?: string | undefined
  /** Where the option `token` comes from, for messages. */
  readonly tokenPlace?: string | undefined
}

/**
 * The credentials that the options name.
 *
 * @throws SluiceError SLUICE_WORKER_DENIED for a `token` that no header can have
 */
export function credentialsOf(
  { token, tokenFile, tokenCommand }: TokenOptions,
  { runtime, secrets, commandDir, tokenPlace }: CredentialParts,
): Credentials {
  const added = (source: TokenSource) => (text: string) => {
    secrets.add(text)
    return headerOf(text, source)
  }
  if (tokenFile !== undefined) {
    const source = { name: `in the token file ${tokenFile}`, isFile: true }
    return new ReadCredentials(fileToken(tokenFile, runtime), added(source))
  }
  if (tokenCommand !== undefined) {
    const source = { name: `of the token command ${tokenCommand[0]}`, isFile: true }
    return new ReadCredentials(commandToken(tokenCommand, commandDir), added(source))
  }
  const name = `of worker.token${tokenPlace === undefined ? '' : ` (${tokenPlace})`}`
  const fixed = token === undefined ? undefined : added({ name, isFile: false })(token)
  return { authorization: async () => fixed, renewed: async () => undefined }
}

/** Reads a token; with `afresh` again, not from memory. */
type ReadToken = (afresh: boolean) => Promise<string>

class ReadCredentials implements Credentials {
  readonly #read: ReadToken
  readonly #headerOf: (text: string) => string
  #renewing: Promise<string> | undefined

  constructor(read: ReadToken, headerOf: (text: string) => string) {
    this.#read = read
    this.#headerOf = headerOf
  }

  async authorization(): Promise<string | undefined> {
    return this.#headerOf(await this.#read(false))
  }

  async renewed(refused: string | undefined): Promise<string | undefined> {
    const current = await this.authorization()
    if (current !== refused) return current
    // However many requests were refused at once, the token is fetched once.
    this.#renewing ??= this.#read(true).finally(() => {
      this.#renewing = undefined
    })
    const fresh = this.#headerOf(await this.#renewing)
    return fresh === refused ? undefined : fresh
  }
}

function fileToken(path: string, runtime: Runtime): ReadToken {
  let known:
    | { readonly token: string; readonly changed: string; readonly readAtMonotonic: number }
    | undefined
  return async (afresh) => {
    const nowMonotonic = runtime.monotonicMs()
    if (known !== undefined && !afresh && nowMonotonic - known.readAtMonotonic < READ_EVERY_MS)
      return known.token
    try {
      const { mtimeMs, ino, size } = await stat(path)
      const changed = `${mtimeMs} ${ino} ${size}`
      const token = known?.changed === changed && !afresh ? known.token : await readFile(path, 'utf8')
      known = { token, changed, readAtMonotonic: nowMonotonic }
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

/** Where a token comes from, for messages. */
interface TokenSource {
  readonly name: string
  /** Files, and what programs print, end in a line end. */
  readonly isFile: boolean
}

/**
 * Argo takes `Bearer` with exactly one space; a token may be written with it. Blanks and line ends around a
 * token in a file are no part of it, as for Kubernetes' own clients; anywhere else a line end is a mistake.
 * What HTTP forbids is refused here: the libraries beneath would quote the whole header.
 */
function headerOf(text: string, { name, isFile }: TokenSource): string {
  const token = isFile ? text.trim() : text.replaceAll(/^[ \t]+|[ \t]+$/gu, '')
  if (token.trim() === '') throw denied(`The token ${name} is empty`)
  if (!/^[\x20-\x7e]+$/u.test(token)) throw denied(`The token ${name} ${unfitText(token, isFile)}`)
  return /^(?:Bearer|Basic) /u.test(token) ? token : `Bearer ${token}`
}

/** What is wrong with the token, and nothing else of it. */
function unfitText(token: string, isFile: boolean): string {
  const advice = isFile
    ? 'Only the token belongs there; a line end behind it does no harm'
    : 'Take it out, or name a file with `tokenFile`: a line end behind a token does no harm there'
  const what = /[\r\n]/u.test(token)
    ? 'has a line end in it'
    : 'has a character that a header of HTTP can not have: it must be printable ASCII'
  return `${what}. ${advice}`
}

/** The cause is left out: it may quote what a command printed. */
function denied(what: string, error?: unknown): SluiceError {
  const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
  const message = `${what}${code}: nothing can be asked of Argo without it.`
  return new SluiceError('SLUICE_WORKER_DENIED', message, { concerns: 'worker' })
}
