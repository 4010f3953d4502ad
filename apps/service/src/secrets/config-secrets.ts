import { SecretRegistry, type OptionsSchema, type Secrets } from '@sluice/core'
import type { Environment } from '../config/config-environment.js'
import { isTree, type ConfigTree } from '../config/config-layer.js'
import { isPlain, referenceIn } from '../config/env-reference.js'
import { secretMarks, type MarkOf } from './secret-marks.js'
import { isSecretName } from './secret-names.js'
import { urlPublic, urlSecrets } from './url-secrets.js'

/** A setting that was given as `{ env: NAME }`. */
export interface EnvReference {
  readonly path: readonly string[]
  readonly variable: string
}

/** The options of a package, and what says which of them are secret. */
export interface PackageOptions {
  /** `queue` or `worker`. */
  readonly section: string
  readonly options: ConfigTree
  readonly schema: OptionsSchema<unknown> | undefined
}

/** A value of a setting, and where it stands. */
interface Leaf {
  readonly path: readonly string[]
  readonly value: string
}

/**
 * The secrets of a configuration, and the environment variables that they came from. A setting is a secret when the schema of its package marks it, when its name
 * or that of its variable says so, and when it is a URL with credentials. Of a package that marks nothing, whatever came from a variable is a secret.
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

  /** Whether a secret of the configuration came from this variable. */
  isSecretVariable(name: string): boolean {
    return this.#variables.has(name)
  }

  /** Takes secrets out of the command line, before anything is parsed: a mistake of usage is told with the arguments. */
  readArguments(args: readonly string[]): void {
    for (const [index, text] of args.entries()) {
      const [, name = '', value = ''] = /^(?:--)?([\w.-]+)=(.*)$/su.exec(text) ?? []
      const named = isSecretName(name) ? value : isSecretFlag(args[index - 1]) ? text : ''
      for (const secret of [named, ...urlSecrets(value), ...urlSecrets(text)]) this.add(secret)
    }
  }

  /** Takes the secrets of one source of settings, be it overridden by another. */
  readSettings(values: ConfigTree): void {
    for (const leaf of leavesOf(values)) {
      if (isSecretLeaf(leaf)) this.#addLeaf(leaf)
      else this.#addUrl(leaf)
    }
  }

  /** Takes our own variables by their names, before any text is read as JSON: a token of digits would lose some as a number. */
  readEnvironment(env: Environment): void {
    for (const [name, text = ''] of Object.entries(env))
      if (name.startsWith('SLUICE_') && isSecretName(name)) this.add(text)
  }

  /** Takes the settings that came from variables. */
  readReferences(references: readonly EnvReference[], env: Environment): void {
    for (const { path, variable } of references) {
      this.#references.set(path.join('.'), variable)
      const leaf = { path, value: env[variable] ?? '' }
      if (isSecretLeaf(leaf) || isSecretName(variable)) this.#addLeaf(leaf)
      else this.#addUrl(leaf)
    }
  }

  /** Takes the options of a package, once its schema is at hand. */
  readOptions({ section, options, schema }: PackageOptions): void {
    const markOf = secretMarks(schema)
    for (const { path, value } of leavesOf(options)) {
      const leaf = { path: [section, ...path], value }
      if (this.#isMarked(leaf, path, markOf)) this.#addLeaf(leaf)
      else if (!isSecretLeaf(leaf) && !this.#isNamed(leaf)) this.#registry.addPublic(value)
    }
  }

  /** Takes the variables that the libraries beneath a package read credentials from. Jobs keep them, as they keep the account that they run under. */
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

/** By the name of the setting, or of a section around it, such as `credentials`. */
function isSecretLeaf({ path }: Leaf): boolean {
  return path.some((step) => isSecretName(step))
}

/** Names of variables are no secrets, and messages need them. */
function* leavesOf(value: unknown, path: readonly string[] = []): Generator<Leaf> {
  if (path.length > 0 && referenceIn(value) !== undefined) return
  if (typeof value === 'string') yield { path, value }
  else if (typeof value === 'number') yield { path, value: String(value) }
  else if (Array.isArray(value))
    for (const [index, each] of value.entries()) yield* leavesOf(each, [...path, String(index)])
  else if (isTree(value) && isPlain(value))
    for (const [key, each] of Object.entries(value)) yield* leavesOf(each, [...path, key])
}
