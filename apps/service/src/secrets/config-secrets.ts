import { SecretRegistry, type OptionsSchema, type Secrets } from '@sluice/core/backend'
import type { Environment } from '../config/config-environment.js'
import { isTree, type ConfigTree } from '../config/config-layer.js'
import { isPlain, referenceIn } from '../config/env-reference.js'
import { secretMarks, type MarkOf } from './secret-marks.js'

/** A setting `{ env: NAME }`. */
export interface EnvReference {
  readonly path: readonly string[]
  readonly variable: string
}

/** The options of a package, and the schema that marks secrets. */
export interface PackageOptions {
  /** `queue` or `worker`. */
  readonly section: string
  readonly options: ConfigTree
  readonly schema: OptionsSchema<unknown> | undefined
}

/** A value of a setting, and its path. */
interface Leaf {
  readonly path: readonly string[]
  readonly value: string
}

/**
 * The secrets of a configuration, and their environment variables. A setting is a secret if the schema of its
 * package marks it, if its name or that of its variable is that of a secret, or if it is a URL with
 * credentials. For a package without marks, every value from a variable is a secret.
 */
export class ConfigSecrets implements Secrets {
  readonly #registry = new SecretRegistry()
  readonly #variables = new Set<string>()
  readonly #references = new Map<string, string>()

  add(value: string): void {
    this.#registry.add(value)
  }

  redact(text: string): string {
    return this.#registry.redact(text)
  }

  /** Whether this variable has a secret of the configuration. */
  isSecretVariable(name: string): boolean {
    return this.#variables.has(name)
  }

  /** Collects the secrets of the command line before parsing: usage errors quote the arguments. */
  readArguments(args: readonly string[]): void {
    for (const [index, text] of args.entries()) {
      const [, name = '', value = ''] = /^(?:--)?([\w.-]+)=(.*)$/su.exec(text) ?? []
      const named = isSecretName(name) ? value : isSecretFlag(args[index - 1]) ? text : ''
      for (const secret of [named, ...urlSecrets(value), ...urlSecrets(text)]) this.add(secret)
    }
  }

  /** Collects the secrets of one source of settings, also overridden ones. */
  readSettings(values: ConfigTree): void {
    for (const leaf of leavesOf(values)) {
      if (isSecretLeaf(leaf)) this.#addLeaf(leaf)
      else this.#addUrl(leaf)
    }
  }

  /**
   * Collects Sluice's variables by name, before they are parsed as JSON: as a number, a token of digits would
   * lose some.
   */
  readEnvironment(env: Environment): void {
    for (const [name, text = ''] of Object.entries(env))
      if (name.startsWith('SLUICE_') && isSecretName(name)) this.add(text)
  }

  /** Collects the settings from variables. */
  readReferences(references: readonly EnvReference[], env: Environment): void {
    for (const { path, variable } of references) {
      this.#references.set(path.join('.'), variable)
      const leaf = { path, value: env[variable] ?? '' }
      if (isSecretLeaf(leaf) || isSecretName(variable)) this.#addLeaf(leaf)
      else this.#addUrl(leaf)
    }
  }

  /** Collects the secrets among the options of a package, once its schema is known. */
  readOptions({ section, options, schema }: PackageOptions): void {
    const markOf = secretMarks(schema)
    for (const { path, value } of leavesOf(options)) {
      const leaf = { path: [section, ...path], value }
      if (this.#isMarked(leaf, path, markOf)) this.#addLeaf(leaf)
      else if (!isSecretLeaf(leaf) && !this.#isNamed(leaf)) this.#registry.addPublic(value)
    }
  }

  /**
   * Collects the variables from which a package's libraries read credentials. Jobs still get them, like the
   * account that they run under.
   */
  readVariables(names: readonly string[], env: Environment): void {
    for (const name of names) this.add(env[name] ?? '')
  }

  #isMarked(leaf: Leaf, option: readonly string[], markOf: MarkOf | undefined): boolean {
    const isReference = this.#references.has(leaf.path.join('.'))
    if (markOf === undefined) return isReference
    const mark = markOf(option)
    return mark === true || (mark === 'referenced' && isReference)
  }

  #isNamed({ path }: Leaf): boolean {
    return isSecretName(this.#references.get(path.join('.')) ?? '')
  }

  #addLeaf({ path, value }: Leaf): void {
    this.add(value)
    for (const secret of urlSecrets(value)) this.add(secret)
    const variable = this.#references.get(path.join('.'))
    if (variable !== undefined) this.#variables.add(variable)
  }

  #addUrl(leaf: Leaf): void {
    if (urlSecrets(leaf.value).length > 0) this.#addLeaf(leaf)
    for (const open of urlPublic(leaf.value)) this.#registry.addPublic(open)
  }
}

function isSecretFlag(text: string | undefined): boolean {
  return text !== undefined && /^--[\w-]+$/u.test(text) && isSecretName(text.slice(2))
}

/** Whether the name of the setting, or of a section around it, such as `credentials`, is that of a secret. */
function isSecretLeaf({ path }: Leaf): boolean {
  return path.some((step) => isSecretName(step))
}

/** The values of a configuration, without the names of variables, which messages need. */
function* leavesOf(value: unknown, path: readonly string[] = []): Generator<Leaf> {
  if (path.length > 0 && referenceIn(value) !== undefined) return
  if (typeof value === 'string') yield { path, value }
  else if (typeof value === 'number') yield { path, value: String(value) }
  else if (Array.isArray(value))
    for (const [index, each] of value.entries()) yield* leavesOf(each, [...path, String(index)])
  else if (isTree(value) && isPlain(value))
    for (const [key, each] of Object.entries(value)) yield* leavesOf(each, [...path, key])
}

const SECRET_NAME =
  /(?:token|secret|passw(?:or)?d|passphrase|credentials?|(?:api|access|secret|private|signing|auth|account)_?key(?:_?id)?|(?:^|_)(?:pass|pwd|auth)|authorization|bearer|cookie)$/u

/**
 * Whether a name is that of a secret, such as `sessionToken` or `AWS_SECRET_ACCESS_KEY`, but not `tokenFile`.
 */
function isSecretName(name: string): boolean {
  const words = name.replaceAll(/(?<=[a-z0-9])(?=[A-Z])|[-.\s]/gu, '_')
  return SECRET_NAME.test(words.toLowerCase())
}

const URL_START = /^\s*([a-z][a-z0-9+.-]*):\/\/(.*)$/isu
const SECRET_PARAMETER = /[?&](?:password|sslpassword|passwd|token|access_token|api_?key)=([^&#]*)/giu

/**
 * The secrets in a URL: its password, and the whole text. An `@`, `/`, `#` or `?` in the password that is not
 * percent-encoded changes how the URL is parsed, so everything before the last `@` counts as secret too.
 *
 * @returns empty for a text that is not a URL, or has no credentials
 */
function urlSecrets(text: string): readonly string[] {
  const [, scheme = '', rest = ''] = URL_START.exec(text) ?? []
  if (scheme === '') return []
  const parameters = [...text.matchAll(SECRET_PARAMETER)].map(([, value = '']) => value)
  const found = [...parsedSecrets(text), ...writtenSecrets(scheme, rest), ...parameters].filter(
    (each) => each !== '',
  )
  return found.length === 0 ? [] : [...new Set([...found, text])]
}

/** The public parts of a URL: its user and its host. */
function urlPublic(text: string): readonly string[] {
  if (!URL_START.test(text) || !URL.canParse(text)) return []
  const { username, hostname, pathname, protocol, password } = new URL(text)
  const user = password === '' && isWeb(protocol.slice(0, -1)) ? '' : username
  return [user, hostname, ...hostname.split('.'), ...pathname.split('/'), protocol.slice(0, -1)].filter(
    (each) => each !== '',
  )
}

function parsedSecrets(text: string): readonly string[] {
  if (!URL.canParse(text)) return []
  const { username, password, protocol } = new URL(text)
  return password === '' && isWeb(protocol.slice(0, -1)) ? [username] : [password]
}

function writtenSecrets(scheme: string, rest: string): readonly string[] {
  const userinfo = rest.slice(0, Math.max(0, rest.lastIndexOf('@')))
  const colon = userinfo.indexOf(':')
  if (colon >= 0) return [userinfo.slice(colon + 1)]
  return isWeb(scheme.toLowerCase()) && !userinfo.includes('/') ? [userinfo] : []
}

/** In these schemes a user without a password is a token; the user of a database is not. */
function isWeb(scheme: string): boolean {
  return scheme === 'http' || scheme === 'https'
}
