import type { S3Rules } from './rules.js'
import type { S3Deviation } from './s3-fact.js'

/** What is known of one store: how to act like it, and where it does not do as AWS does. */
export interface S3Store {
  readonly title: string
  /** For `startS3Server({ rules })`. */
  readonly rules: Partial<S3Rules>
  readonly deviations: readonly S3Deviation[]
}

/** Stores by name. */
export const s3Stores = {
  aws: { title: 'AWS S3', rules: {}, deviations: [] },
} as const satisfies Readonly<Record<string, S3Store>>
