import { dirname } from 'node:path'
import { SluiceError } from '@sluice/core'
import { readEnvironment, type Environment } from './config-environment.js'
import { findConfigFile, readConfigFile, type ConfigFile } from './config-file.js'
import { describeIssues } from './config-issue.js'
import {
  isTree,
  layerOfEntries,
  mergeLayers,
  valueAt,
  type ConfigLayer,
  type ConfigTree,
} from './config-layer.js'
import { configSchema, type Config } from './config-schema.js'
import { assertSet, referenceIn, resolveReferences, type UnsetReference } from './env-reference.js'
import { ConfigSecrets } from '../secrets/config-secrets.js'

/** A setting given on the command line. */
export interface FlagSetting {
  /** Such as `processing.limit`. */
  readonly path: string
  readonly value: unknown
  /** As the user knows it, such as `--limit`. */
  readonly flag: string
}

/** Where a configuration is looked for. */
export interface LoadConfigOptions {
  readonly cwd: string
  readonly env: Environment
  /** `--config`: a file, relative to `cwd`. */
  readonly configFile?: string
  readonly flags?: readonly FlagSetting[]
  /** Takes the secrets of the configuration, those of one that turns out to be wrong too. Default: one of its own. */
  readonly secrets?: ConfigSecrets
}

/** A configuration, and where it came from. */
export interface LoadedConfig {
  readonly config: Config
  /** The file, if there is one. */
  readonly file?: string
  /** Directories from which packages are looked for, the nearest first. */
  readonly baseDirs: readonly string[]
  /**
   * The directory that a relative path in a setting is relative to: that of the file where the file says it, the working directory where a flag or a
   * variable does, `{ env: NAME }` in the file included. Of a setting that nothing says: that of the file, if there is one.
   */
  baseDirOf(path: readonly string[]): string
  /**
   * Options of the queue and the worker that were given as `{ env: NAME }`, and the variable is not set. They are refused when the package is opened: a
   * command that opens the queue alone needs no variable of the worker.
   */
  readonly unset: readonly UnsetReference[]
  /** What is odd and yet no error. */
  readonly warnings: readonly string[]
  /** What no message may show. */
  readonly secrets: ConfigSecrets
  /** Where a setting comes from, for messages: `sluice.config.yaml:3`, `SLUICE_QUEUE_URL`, `--limit`; `undefined`: nowhere. */
  placeOf(path: readonly string[]): string | undefined
}

/**
 * Loads the configuration: flags over environment over file over defaults.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID with a line for each wrong setting, its place, and never its value. A variable that only the options of a package name
 * may be unset: see {@link LoadedConfig.unset}
 */
export async function loadConfig(options: LoadConfigOptions): Promise<LoadedConfig> {
  const { cwd, env, flags = [], secrets = new ConfigSecrets() } = options
  secrets.readEnvironment(env)
  const file = await readFileOf(options)
  const environment = readEnvironment(env)
  const flagLayer = layerOfEntries(flags.map(({ path, value, flag }) => ({ path, value, place: flag })))
  const layers: readonly ConfigLayer[] = [...(file ? [file.layer] : []), environment.layer, flagLayer]
  const placeOf = (path: readonly string[]): string | undefined => placeIn(layers, path)
  for (const { values } of layers) secrets.readSettings(values)
  const { tree, references, unset } = resolveReferences(mergeLayers(layers), env, placeOf)
  secrets.readReferences(references, env)
  assertSet(unset.filter((one) => !isDeferred(one)))
  const fileDir = file === undefined ? cwd : dirname(file.path)
  return {
    config: check(withPackageText(tree), placeOf, file !== undefined),
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

/** Every command needs to know which queue it is about; what else a package needs is asked for when it is opened. */
function isDeferred({ path }: UnsetReference): boolean {
  const [section, option] = path
  return section === 'worker' || (section === 'queue' && option !== 'package' && option !== 'name')
}

/** The name of the worker's package as text, where its variable is not set: the settings are checked as a whole, and it is refused when it is opened. */
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

function check(merged: unknown, placeOf: LoadedConfig['placeOf'], hasFile: boolean): Config {
  const result = configSchema.safeParse(merged)
  if (result.success) return result.data
  if (!hasFile && placeOf(['queue']) === undefined) {
    throw new SluiceError(
      'SLUICE_CONFIG_INVALID',
      'There is no configuration here. Run `sluice init` to write one, or give its place with --config FILE.',
    )
  }
  const lines = describeIssues(result.error.issues, { schema: configSchema, placeOf, prefix: [] })
  throw new SluiceError('SLUICE_CONFIG_INVALID', `The configuration is wrong:\n${lines.join('\n')}`)
}
