import { SluiceError } from '@sluice/core'
import type * as argoFake from '@sluice/fake-argo'
import type * as s3Fake from '@sluice/fake-s3'
import { loadNamed } from '../packages/package-loading.js'

export type ArgoFake = typeof argoFake
export type S3Fake = typeof s3Fake

const ARGO = '@sluice/fake-argo'
const S3 = '@sluice/fake-s3'

/**
 * Loads the fake Argo Server. It is no dependency of the service: only the commands that start one need it.
 *
 * @param cwd where it is looked for first
 * @throws SluiceError SLUICE_PACKAGE_MISSING with the line that installs it; SLUICE_CONFIG_INVALID when it
 * can't be loaded
 */
export async function loadArgoFake(cwd: string): Promise<ArgoFake> {
  const loaded = await loadNamed(ARGO, { baseDirs: [cwd] })
  if (isArgoFake(loaded)) return loaded
  throw otherPackage(ARGO, 'startArgoServer')
}

/** As {@link loadArgoFake}, for the fake S3 server. */
export async function loadS3Fake(cwd: string): Promise<S3Fake> {
  const loaded = await loadNamed(S3, { baseDirs: [cwd] })
  if (isS3Fake(loaded)) return loaded
  throw otherPackage(S3, 'startS3Server')
}

function isArgoFake(loaded: object): loaded is ArgoFake {
  return 'startArgoServer' in loaded && typeof loaded.startArgoServer === 'function'
}

function isS3Fake(loaded: object): loaded is S3Fake {
  return 'startS3Server' in loaded && typeof loaded.startS3Server === 'function'
}

function otherPackage(name: string, wanted: string): SluiceError {
  return new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `The package ${name} that is installed exports no function ${wanted}: install one of this release`,
  )
}
