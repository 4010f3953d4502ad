// An S3 server on a thread of its own, so that its work isn't done on the time of what is measured.
import { parentPort, workerData } from 'node:worker_threads'
import { startS3Server } from '@sluice/testkit/s3'

const server = await startS3Server(workerData)
parentPort.on('message', (message) => {
  if (message === 'counts') {
    parentPort.postMessage(server.counts())
    server.resetCounts()
  } else void server.close().then(() => parentPort.close())
})
const { endpoint, region, credentials } = server.clientOptions()
parentPort.postMessage({ endpoint, region, credentials, bucket: server.bucket })
