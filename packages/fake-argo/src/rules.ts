import type { ArgoVersion } from './argo-version.js'

/** The differences between the lines of Argo Workflows that a client can see. */
export interface ArgoRules {
  /** As the server reports it, such as `v4.1.2`; compare it with `isAtLeast`. */
  readonly version: string
  /**
   * Whether a list without `ext.showRemainingItemCount=true` bases `continue` on the archive alone, so that
   * live rows are dropped.
   */
  readonly continueBug: boolean
  /** Whether field selectors support `!=`. */
  readonly fieldInequality: boolean
  /** Whether `nameFilter` is supported. */
  readonly nameFilter: boolean
  /** Whether `createdAfter` and `finishedBefore` are supported. */
  readonly timeFilters: boolean
  /** Whether GET supports `uid`. */
  readonly getByUid: boolean
  /** Whether submit requires the caller's permission to get the template. */
  readonly callerReadsTemplates: boolean
  /** Whether a workflow terminated while it waits for a lock may end Succeeded. */
  readonly terminatedWaiterSucceeds: boolean
  /**
   * Whether `fields` brings back `creationTimestamp: null` where it leaves the timestamp out (Kubernetes'
   * library before 0.34).
   */
  readonly zeroTimestamps: boolean
  /** Whether `templateReferencing` restricts what a workflow may set beside its reference (3.7.14, 4.0.5). */
  readonly restrictsOverrides: boolean
  /** Whether a workflow whose program handles SIGTERM and exits 0 ends Succeeded after stop or terminate. */
  readonly trappedShutdownSucceeds: boolean
}

const v41: ArgoRules = {
  version: 'v4.1.2',
  continueBug: true,
  fieldInequality: true,
  nameFilter: true,
  timeFilters: true,
  getByUid: true,
  callerReadsTemplates: false,
  terminatedWaiterSucceeds: false,
  zeroTimestamps: false,
  restrictsOverrides: true,
  trappedShutdownSucceeds: true,
}

const v40: ArgoRules = { ...v41, version: 'v4.0.10', zeroTimestamps: true }

const v37: ArgoRules = {
  ...v40,
  version: 'v3.7.18',
  continueBug: false,
  fieldInequality: false,
  terminatedWaiterSucceeds: true,
  trappedShutdownSucceeds: false,
}

const v36: ArgoRules = {
  ...v37,
  version: 'v3.6.19',
  timeFilters: false,
  getByUid: false,
  callerReadsTemplates: true,
  restrictsOverrides: false,
}

const RULES: Readonly<Record<ArgoVersion, ArgoRules>> = {
  '3.5.15': { ...v36, version: 'v3.5.15', nameFilter: false },
  '3.6.19': v36,
  '3.7.18': v37,
  '4.0.10': v40,
  '4.1.2': v41,
}

/** The rules of a version. */
export function rulesOf(version: ArgoVersion): ArgoRules {
  return RULES[version]
}
