import { FAILURE_CLASSES } from '@sluice/core'
import { nearest } from './config-issue.js'

/** The part of a configuration that names failure classes. */
interface ClassesConfig {
  readonly worker?: { readonly package: string } | undefined
  readonly retry: {
    readonly on?: readonly string[] | undefined
    readonly rules?: readonly { readonly classes?: readonly string[] | undefined }[] | undefined
  }
}

export interface UnknownClass {
  readonly path: readonly (string | number)[]
  readonly message: string
}

const KNOWN: ReadonlySet<string> = new Set(FAILURE_CLASSES)
/** A third-party worker may have its own classes. */
const OWN_WORKER = /^(?:@sluice\/worker-)?(?:argo|dummy|process)$/u

/**
 * Unknown failure classes in `retry`. For a worker that may have its own classes, only near misses of ours.
 */
export function unknownClasses({ worker, retry }: ClassesConfig): readonly UnknownClass[] {
  const isOpen = worker !== undefined && !OWN_WORKER.test(worker.package)
  return namedClasses(retry).flatMap(({ path, name }) => {
    if (KNOWN.has(name)) return []
    const near = nearest(name, FAILURE_CLASSES)
    if (near === undefined && isOpen) return []
    const hint =
      near === undefined ? `known classes are ${FAILURE_CLASSES.join(', ')}` : `did you mean ${near}?`
    return [{ path, message: `unknown failure class; ${hint}` }]
  })
}

function namedClasses({ on = [], rules = [] }: ClassesConfig['retry']) {
  return [
    ...on.map((name, at) => ({ name, path: ['retry', 'on', at] })),
    ...rules.flatMap(({ classes = [] }, rule) =>
      classes.map((name, at) => ({ name, path: ['retry', 'rules', rule, 'classes', at] })),
    ),
  ]
}
