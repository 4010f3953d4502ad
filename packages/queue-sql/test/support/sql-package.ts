import type { QueuePackage } from '@sluice/core'
import * as loaded from '../../src/index.js'

/** The package as the service loads it by name: options are unknown until they are checked. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its exports are unknown to the compiler
export const sqlPackage = loaded as unknown as Required<QueuePackage>
