/** A queue in an S3 bucket: one JSON object per item, whose prefix is its stage. */
export { dropQueue } from './drop-queue.js'
export { listQueues } from './list-queues.js'
export { checkStorage, openQueue, queueExists } from './open-s3-queue.js'
export { credentialVariables, optionsSchema } from './s3-options.js'
export type { S3QueueCredentials, S3QueueOptions } from './s3-options.js'
