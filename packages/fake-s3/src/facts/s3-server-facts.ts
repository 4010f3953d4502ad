import { bucketFacts } from './bucket-facts.js'
import { conditionFacts } from './condition-facts.js'
import { listFacts } from './list-facts.js'
import { objectFacts } from './object-facts.js'
import { putFacts } from './put-facts.js'
import type { S3Fact } from './s3-fact.js'

/**
 * What AWS S3 does, as far as a queue in a bucket depends on it. For the deviations of other stores see
 * `s3Stores`.
 */
export const s3ServerFacts: readonly S3Fact[] = [
  ...bucketFacts,
  ...putFacts,
  ...conditionFacts,
  ...objectFacts,
  ...listFacts,
]
