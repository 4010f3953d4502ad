import { startArgoServer } from '../src/index.ts'

const server = await startArgoServer({ version: '3.7.18', archive: true })
const call = (method: string, path: string, body?: object) =>
  fetch(`${server.url}/api/v1/workflows/argo/${path}`, {
    method,
    headers: { authorization: `Bearer ${server.token}` },
    ...(body && { body: JSON.stringify(body) }),
  })

// The answer to the first submit is lost, though it took effect. What does your client do then?
server.main.onRequest = ({ index }) => (index === 0 ? { do: 'drop-reply' } : undefined)
const order = {
  resourceKind: 'WorkflowTemplate',
  resourceName: 'test-workflow-template',
  submitOptions: { name: 'tile-1', parameters: ['item=1', 'seconds=60'] },
}
const again = await call('POST', 'submit', order).catch(() => call('POST', 'submit', order))
console.log(again.status, server.workflows.size) // 409 1: it was there, and is there once

server.workflows.finish('tile-1', { phase: 'Failed', exitCode: 3 })
const { status } = JSON.parse(await (await call('GET', 'tile-1')).text())
console.log(status.phase, server.traffic().SubmitWorkflow.requests) // Failed 2
await server.close()
