/** An S3 server in the process, with faults on demand, and the expected behaviour of every S3 as data. */
export { S3Server, startS3Server } from './s3-server.js'
export type { S3ClientOptions, S3ServerOptions } from './s3-server.js'
export { S3Endpoint } from './server/s3-endpoint.js'
export type { OnRequest, RaceWindow, S3EndpointOptions } from './server/s3-endpoint.js'
export { answerWith, answerWithStatus } from './server/fault.js'
export type { S3Fault } from './server/fault.js'
export type { S3Answer, S3ErrorCode } from './server/answer.js'
export type { S3Request } from './server/request.js'
export type { LoggedRequest } from './server/request-log.js'
export { s3Operations } from './server/operation.js'
export type { S3Operation } from './server/operation.js'
export { awsRules } from './rules.js'
export type { ListOrder, S3Rules } from './rules.js'
export type { BucketVersioning } from './store/object-store.js'
export type { S3Credentials } from './server/signature.js'
export { runS3Fact, sdkSender } from './facts/s3-fact.js'
export type {
  FactOutcome,
  S3Command,
  S3Deviation,
  S3Fact,
  S3Send,
  S3Target,
  SdkClient,
} from './facts/s3-fact.js'
export { s3ServerFacts } from './facts/s3-server-facts.js'
export { s3Stores } from './s3-stores.js'
export type { S3Store, S3StoreName } from './s3-stores.js'
