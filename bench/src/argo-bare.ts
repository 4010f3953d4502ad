// A process of its own: the bare loop. Sixteen callers submit workflows like those of the service by `fetch`,
// and read each answer.
const [url = '', token = '', count = '0', seconds = '0'] = process.argv.slice(2)
const CALLERS = 16
let next = 0

const startedAt = performance.now()
await Promise.all(Array.from({ length: CALLERS }, submitAll))
const wallMs = performance.now() - startedAt
const { user, system } = process.cpuUsage()
console.log(
  JSON.stringify({
    perSecond: (Number(count) * 1_000) / wallMs,
    cpuMs: (user + system) / 1_000 / Number(count),
  }),
)

async function submitAll(): Promise<void> {
  while (next < Number(count)) {
    const answer = await fetch(`${url}/api/v1/workflows/argo/submit`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(submitOf(next++)),
    })
    const { metadata }: { metadata: { uid?: string } } = JSON.parse(await answer.text())
    if (!answer.ok || metadata.uid === undefined) throw new Error(`submit was answered ${answer.status}`)
  }
}

function submitOf(index: number) {
  const id = `item-${String(index).padStart(9, '0')}`
  const hash = String(index).padStart(32, '0')
  return {
    namespace: 'argo',
    resourceKind: 'WorkflowTemplate',
    resourceName: 'test-workflow-template-podless',
    submitOptions: {
      name: `bare-${id}-${hash.slice(12)}-a1`,
      parameters: [`item=${id}`, `seconds=${seconds}`],
      labels: `sluice/queue=bare,sluice/job=${hash},sluice/item=${id},sluice/attempt=1`,
      annotations: `sluice/id=${id},sluice/uid=${hash},sluice/queue-name=bare`,
    },
  }
}
