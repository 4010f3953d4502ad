import { FAILURE_CLASSES } from '@sluice/core'
import { nearest } from './nearest.js'

/** What of a configuration names classes of failures. */
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
/** A worker of somebody else's may have classes of its own. */
const OWN_WORKER = /^(?:@sluice\/worker-)?(?:argo|dummy|process)$/u

/** Classes of failure in `retry` that there are not. Where the worker may have classes of its own, only what is nearly one of ours. */
export function unknownClasses({ worker, retry }: ClassesConfig): readonly UnknownClass[] {
  const isOpen = worker !== undefined && !OWN_WORKER.test(worker.package)
  return namedClasses(retry).flatMap(({ path, name }) => {
    if (KNOWN.has(name)) return []
    const near = nearest(name, FAILURE_CLASSES)
    if (near === undefined && isOpen) return []
    const hint = near === undefined ? `there are ${FAILURE_CLASSES.join(', ')}` : `did you mean ${near}?`
    return [{ path, message: `there is no such class of failure; ${hint}` }]
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
