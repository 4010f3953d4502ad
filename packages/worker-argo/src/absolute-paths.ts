import { resolve } from 'node:path'
import { baseDirOf, type PackageContext } from '@sluice/core'
import type { ArgoWorkerSettings } from './options.js'

/** The settings with absolute paths, so that a service that is started from another folder reads the same files. */
export function withAbsolutePaths(settings: ArgoWorkerSettings, context: PackageContext): ArgoWorkerSettings {
  const absolute = (option: 'tokenFile' | 'caFile'): Partial<ArgoWorkerSettings> => {
    const path = settings[option]
    return path === undefined ? {} : { [option]: resolve(baseDirOf(context, option) ?? '.', path) }
  }
  return { ...settings, ...absolute('tokenFile'), ...absolute('caFile') }
}
