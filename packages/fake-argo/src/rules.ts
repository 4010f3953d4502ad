import type { ArgoVersion } from './argo-version.js'

/** In what the lines of Argo Workflows differ, as far as a client could notice. */
export interface ArgoRules {
  /** As the server tells it, such as `v4.1.2`; compare it with `isAtLeast`. */
  readonly version: string
  /** Whether a list without `ext.showRemainingItemCount=true` gives `continue` by the archive alone, so that live rows are dropped. */
  readonly continueBug: boolean
  /** Whether field selectors know `!=`. */
  readonly fieldInequality: boolean
  /** Whether `nameFilter` is known. */
  readonly nameFilter: boolean
  /** Whether `createdAfter` and `finishedBefore` are known. */
  readonly timeFilters: boolean
  /** Whether GET knows `uid`. */
  readonly getByUid: boolean
  /** Whether submitting takes the caller's right to get the template. */
  readonly callerReadsTemplates: boolean
  /** Whether a workflow terminated while it waits for a lock may end Succeeded. */
  readonly terminatedWaiterSucceeds: boolean
  /** Whether `fields` brings back `creationTimestamp: null` where it leaves the timestamp out (Kubernetes' library before 0.34). */
  readonly zeroTimestamps: boolean
  /** Whether `templateReferencing` restricts what a workflow may set beside its reference (3.7.14, 4.0.5). */
  readonly restrictsOverrides: boolean
  /** Whether one whose program takes SIGTERM and exits 0 ends Succeeded after stop or terminate. */
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

/** What holds of a version. */
export function rulesOf(version: ArgoVersion): ArgoRules {
  return RULES[version]
}
