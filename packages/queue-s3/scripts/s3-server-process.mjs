// An S3 server in a process of its own, so that its work isn't done on the time of what is measured.
import { startS3Server } from '@sluice/fake-s3'

const server = await startS3Server(JSON.parse(process.argv[2] ?? '{}'))
process.on('message', () => {
  process.send(server.counts())
  server.resetCounts()
})
process.on('disconnect', () => void server.close())
const { endpoint, region, credentials } = server.clientOptions()
process.send({ endpoint, region, credentials, bucket: server.bucket })
