import type { S3Rules } from './rules.js'
import type { S3Deviation } from './facts/s3-fact.js'

/** What is known of one store: the rules that simulate it, and its deviations from AWS. */
export interface S3Store {
  readonly title: string
  /** For `startS3Server({ rules })`. */
  readonly rules: Partial<S3Rules>
  readonly deviations: readonly S3Deviation[]
}

const always = (fact: string, instead: string): S3Deviation => ({ fact, instead, always: true })
const atTimes = (fact: string, instead: string): S3Deviation => ({ fact, instead, always: false })
/** Observed on the store itself and not simulated by the server's rules. */
const onlyReal = (fact: string, instead: string): S3Deviation => ({
  fact,
  instead,
  always: true,
  onlyReal: true,
})

const IGNORED = 'it answers as if there were no condition'

const deletesAnyway: readonly S3Deviation[] = [
  always('S3-DEL-2', `${IGNORED}, and deletes`),
  always('S3-DEL-3', IGNORED),
  always('S3-BATCH-4', `${IGNORED}, and deletes`),
]

const copiesAnyway: readonly S3Deviation[] = [always('S3-COPY-2', `${IGNORED}, and overwrites`)]

const takesOddConditions: readonly S3Deviation[] = [
  always('S3-INM-6', 'it takes the condition for what it says'),
  always('S3-IM-8', 'it takes the conditions for what they say'),
]

const overwritesAnyway: readonly S3Deviation[] = [
  always('S3-INM-1', `${IGNORED}, and overwrites`),
  always('S3-INM-2', IGNORED),
  always('S3-INM-4', 'every racer wins'),
  always('S3-IM-3', `${IGNORED}, and overwrites`),
  always('S3-IM-4', `${IGNORED}, and creates`),
  always('S3-IM-5', `${IGNORED}, and creates`),
  always('S3-IM-6', 'every racer wins'),
  ...takesOddConditions,
]

const NO_CONDITIONS = {
  putIfNoneMatch: 'ignored',
  putIfMatch: 'ignored',
  oddConditions: 'taken',
  deleteIfMatch: 'ignored',
  batchDeleteETag: 'ignored',
  copyConditions: 'ignored',
} as const satisfies Partial<S3Rules>

/**
 * Stores by name. `radosgw16` is compared with the store itself in CI; the others follow their documentation,
 * their source or a measurement.
 */
export const s3Stores = {
  aws: { title: 'AWS S3', rules: {}, deviations: [] },
  radosgw16: {
    title: 'Ceph radosgw 16.2',
    rules: {
      putIfMatch: 'unquoted-only',
      putIfMatchOfNothing: 'PreconditionFailed',
      oddConditions: 'taken',
      raceLosers: 'InternalError',
      conditionsWhileVersioned: 'void',
      nullVersionId: 'absent',
      deleteIfMatch: 'ignored',
      batchDeleteETag: 'ignored',
      copyConditions: 'ignored',
    },
    deviations: [
      always('S3-IM-1', 'it refuses the ETag in its quotes with 412'),
      always('S3-IM-5', 'it says 412'),
      atTimes('S3-INM-5', 'losers may be told 500, which says nothing of what happened'),
      atTimes('S3-IM-7', 'losers may be told 500, which says nothing of what happened'),
      ...takesOddConditions,
      ...deletesAnyway,
      ...copiesAnyway,
      onlyReal('S3-PUT-6', 'it refuses streams with 411 MissingContentLength'),
      onlyReal('S3-PUT-8', 'it does not look at the CRC32'),
      onlyReal('S3-PUT-9', 'it takes longer metadata'),
      onlyReal('S3-BATCH-3', 'it refuses 1,001 keys with 400 and no code'),
      onlyReal('S3-LIST-10', 'it takes any token for a key to start after'),
    ],
  },
  minio: {
    title: 'MinIO',
    rules: {
      connectionAfterRefusal: 'closed',
      deleteIfMatch: 'ignored',
      batchDeleteETag: 'ignored',
      copyConditions: 'ignored',
      maxSegmentBytes: 255,
    },
    deviations: [
      always('S3-KEY-1', 'it takes no part of a key of more than 255 bytes'),
      ...deletesAnyway,
      ...copiesAnyway,
    ],
  },
  coreweave: {
    title: 'CoreWeave Object Storage',
    rules: { raceLosers: 'ConditionalRequestConflict' },
    deviations: [atTimes('S3-INM-5', 'losers may be told 409'), atTimes('S3-IM-7', 'losers may be told 409')],
  },
  moto: {
    title: 'moto 5.2',
    rules: {
      server: 'Werkzeug/3.1.9 Python/3.11.7',
      atomicConditions: false,
      batchDeleteETag: 'ignored',
      copyConditions: 'ignored',
    },
    deviations: [
      atTimes('S3-INM-4', 'it looks first and writes later: two racers may win'),
      atTimes('S3-IM-6', 'it looks first and writes later: two racers may win'),
      always('S3-BATCH-4', `${IGNORED}, and deletes`),
      ...copiesAnyway,
    ],
  },
  s3rver: {
    title: 's3rver 3.7, fauxqs 2.4',
    rules: { ...NO_CONDITIONS, listOrder: 'locale', maxBatchDelete: Number.MAX_SAFE_INTEGER },
    deviations: [
      ...overwritesAnyway,
      ...deletesAnyway,
      ...copiesAnyway,
      always('S3-LIST-2', 'it lists in the order of a language'),
      always('S3-BATCH-3', 'it takes any number of keys'),
    ],
  },
  garage: {
    title: 'Garage, and Google Cloud Storage by its S3 interface',
    rules: NO_CONDITIONS,
    deviations: [...overwritesAnyway, ...deletesAnyway, ...copiesAnyway],
  },
  b2: {
    title: 'Backblaze B2',
    rules: { ...NO_CONDITIONS, putIfNoneMatch: 'not-implemented', putIfMatch: 'not-implemented' },
    deviations: [
      ...['S3-INM-1', 'S3-INM-2', 'S3-INM-3', 'S3-INM-4', 'S3-INM-5'].map((fact) =>
        always(fact, 'it says 501'),
      ),
      ...['S3-IM-1', 'S3-IM-2', 'S3-IM-3', 'S3-IM-5', 'S3-IM-6', 'S3-IM-7'].map((fact) =>
        always(fact, 'it says 501'),
      ),
      ...deletesAnyway,
      ...copiesAnyway,
    ],
  },
} as const satisfies Readonly<Record<string, S3Store>>

/** The name of a store that is known. */
export type S3StoreName = keyof typeof s3Stores
