import { dirname } from 'node:path'
import { SluiceError } from '@sluice/core'
import { readEnvironment, type Environment } from './config-environment.js'
import { findConfigFile, readConfigFile, type ConfigFile } from './config-file.js'
import { describeIssues, type FoundIssue } from './config-issue.js'
import {
  isTree,
  layerOfEntries,
  mergeLayers,
  valueAt,
  type ConfigLayer,
  type ConfigTree,
} from './config-layer.js'
import type { Config } from './config.js'
import { configSchema } from './config-schema.js'
import { assertSet, referenceIn, resolveReferences, type UnsetReference } from './env-reference.js'
import { ConfigSecrets } from '../secrets/config-secrets.js'

/** A setting given on the command line. */
export interface FlagSetting {
  /** Such as `processing.limit`. */
  readonly path: string
  readonly value: unknown
  /** The flag, such as `--limit`. */
  readonly flag: string
}

/** The sources of a configuration. */
export interface LoadConfigOptions {
  readonly cwd: string
  readonly env: Environment
  /** `--config`: a file, relative to `cwd`. */
  readonly configFile?: string
  readonly flags?: readonly FlagSetting[]
  /** Collects the secrets of the configuration, also of an invalid one. Default: its own. */
  readonly secrets?: ConfigSecrets
}

/** A configuration and its sources. */
export interface LoadedConfig {
  readonly config: Config
  /** The file, if there is one. */
  readonly file?: string
  /** Directories from which packages are resolved, the nearest first. */
  readonly baseDirs: readonly string[]
  /**
   * The base directory of a relative path in a setting: that of the file for a setting of the file; the
   * working directory for one of a flag or a variable, also with `{ env: NAME }` in the file. For an unset
   * one: that of the file, if there is one.
   */
  baseDirOf(path: readonly string[]): string
  /**
   * Options `{ env: NAME }` of the queue and the worker whose variable is not set. They are refused when the
   * package is opened: a command that only opens the queue needs no variable of the worker.
   */
  readonly unset: readonly UnsetReference[]
  readonly warnings: readonly string[]
  /** The secrets, which no message may show. */
  readonly secrets: ConfigSecrets
  /**
   * The source of a setting, for messages: `sluice.config.yaml:3`, `SLUICE_QUEUE_URL`, `--limit`; `undefined`
   * without one.
   */
  readonly placeOf: (path: readonly string[]) => string | undefined
}

/**
 * Loads the configuration: flags over environment over file over defaults.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID with a line for each invalid setting and its source, never its
 * value. Variables in package options may be unset: see {@link LoadedConfig.unset}
 */
export async function loadConfig(options: LoadConfigOptions): Promise<LoadedConfig> {
  const { cwd, env, flags = [], secrets = new ConfigSecrets() } = options
  secrets.readEnvironment(env)
  const file = await readFileOf(options)
  const environment = await readEnvironment(env)
  const flagLayer = layerOfEntries(flags.map(({ path, value, flag }) => ({ path, value, place: flag })))
  const layers: readonly ConfigLayer[] = [...(file ? [file.layer] : []), environment.layer, flagLayer]
  const placeOf = (path: readonly string[]): string | undefined => placeIn(layers, path)
  for (const { values } of layers) secrets.readSettings(values)
  const { tree, references, unset } = resolveReferences(mergeLayers(layers), env, placeOf)
  secrets.readReferences(references, env)
  assertSet(unset.filter((one) => !isDeferred(one)))
  const fileDir = file === undefined ? cwd : dirname(file.path)
  const config = check(withPackageText(tree), placeOf, file !== undefined)
  await assertWindows(config, placeOf)
  return {
    config,
    ...(file ? { file: file.path } : {}),
    baseDirs: [...new Set([fileDir, cwd])],
    baseDirOf: (path) => {
      const layer = layers.findLast(({ values }) => valueAt(values, path) !== undefined)
      if (layer === undefined) return fileDir
      return layer === file?.layer && referenceIn(valueAt(layer.values, path)) === undefined ? fileDir : cwd
    },
    unset,
    warnings: environment.warnings,
    secrets,
    placeOf,
  }
}

/**
 * Every command needs the queue's package and name; the other options are checked when the package is opened.
 */
function isDeferred({ path }: UnsetReference): boolean {
  const [section, option] = path
  return section === 'worker' || (section === 'queue' && option !== 'package' && option !== 'name')
}

/**
 * Replaces an unset reference for the worker's package with text, so that the schema passes; opening the
 * worker refuses it.
 */
function withPackageText(tree: ConfigTree): ConfigTree {
  const { worker } = tree
  const variable = isTree(worker) ? referenceIn(worker['package']) : undefined
  return isTree(worker) && variable !== undefined
    ? { ...tree, worker: { ...worker, package: `{ env: ${variable} }` } }
    : tree
}

async function readFileOf({ cwd, env, configFile }: LoadConfigOptions): Promise<ConfigFile | undefined> {
  const fromEnv = env['SLUICE_CONFIG']
  const given =
    configFile !== undefined
      ? { path: configFile, place: '--config' }
      : fromEnv
        ? { path: fromEnv, place: 'SLUICE_CONFIG' }
        : undefined
  const path = findConfigFile(cwd, given)
  return path === undefined ? undefined : readConfigFile(path, cwd)
}

function placeIn(layers: readonly ConfigLayer[], path: readonly string[]): string | undefined {
  for (const layer of layers.toReversed()) {
    const place = layer.placeOf(path)
    if (place !== undefined) return place
  }
  return undefined
}

/** Only where there are any: the engine is not loaded for each command. */
async function assertWindows(
  { processing: { windows = [] } }: Config,
  placeOf: LoadedConfig['placeOf'],
): Promise<void> {
  if (windows.length === 0) return
  const { windowProblem } = await import('@sluice/engine')
  const issues = windows.flatMap((text, index) => {
    const message = windowProblem(text)
    return message === undefined ? [] : [{ path: ['processing', 'windows', String(index)], message }]
  })
  if (issues.length > 0) throw invalid(issues, placeOf)
}

function invalid(issues: readonly FoundIssue[], placeOf: LoadedConfig['placeOf']): SluiceError {
  const lines = describeIssues(issues, { schema: configSchema, placeOf, prefix: [] })
  return new SluiceError('SLUICE_CONFIG_INVALID', `The configuration is invalid:\n${lines.join('\n')}`)
}

function check(merged: unknown, placeOf: LoadedConfig['placeOf'], hasFile: boolean): Config {
  const result = configSchema.safeParse(merged)
  if (result.success) return result.data
  if (!hasFile && placeOf(['queue']) === undefined) {
    throw new SluiceError(
      'SLUICE_CONFIG_INVALID',
      'No configuration found. Create one with `sluice init`, or set its path with --config FILE.',
    )
  }
  throw invalid(result.error.issues, placeOf)
}
