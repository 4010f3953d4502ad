import { check, same } from '@sluice/testkit/server'
import { asText, type JsonObject } from '../argo-workflow.js'
import { isAtLeast } from '../argo-version.js'
import type { ArgoFact, ArgoTarget } from './argo-fact.js'
import { Probe, statusOf, taken } from './probe.js'

const restricted = ({ templateReferencing }: ArgoTarget) =>
  templateReferencing === undefined ? 'the controller has no templateReferencing' : undefined

/** The versions that restrict what stands beside a reference. */
const restrictedFields = (target: ArgoTarget) => {
  const { version } = target
  const looks = isAtLeast(version, '4.0.5') || (isAtLeast(version, '3.7.14') && !isAtLeast(version, '4.0.0'))
  return restricted(target) ?? (looks ? undefined : 'the fields are not looked at before 3.7.14 and 4.0.5')
}

const RUNNING: JsonObject = {
  entrypoint: 'main',
  priority: 1,
  activeDeadlineSeconds: 600,
  ttlStrategy: { secondsAfterCompletion: 600 },
  podGC: { strategy: 'OnPodSuccess' },
  archiveLogs: false,
}

const REFUSED: readonly (readonly [JsonObject, string])[] = [
  [{ serviceAccountName: 'sa' }, 'ServiceAccountName'],
  [{ podPriorityClassName: 'low' }, 'PodPriorityClassName'],
  [{ onExit: 'main' }, 'OnExit'],
  [{ parallelism: 1, retryStrategy: { limit: 1 } }, 'Parallelism RetryStrategy'],
  [{ nodeSelector: { a: 'b' } }, 'NodeSelector'],
  [{ synchronization: { mutexes: [{ name: 'm' }] } }, 'Synchronization'],
]

/** What a controller with `templateReferencing: Strict` or `Secure` runs. */
export const referencingFacts: readonly ArgoFact[] = [
  {
    id: 'ARGO-REFERENCING-1',
    title:
      'With templateReferencing, a workflow that sets more than a list allows beside its reference is accepted, and ends in Error with Go’s field names.',
    needs: restrictedFields,
    run: (target) =>
      Probe.use(target, async (probe) => {
        for (const [index, [spec, fields]] of REFUSED.entries()) {
          taken(
            await probe.create(probe.manifest({ name: probe.name(`r${index}`) }, spec)),
            `a create with ${fields}`,
          )
          const ended = await probe.untilPhase(`r${index}`, 'Error', 'Succeeded', 'Failed')
          const message = `fields [${fields}] are not permitted when using workflowTemplateRef with templateReferencing restriction`
          same(
            [statusOf(ended)['phase'], statusOf(ended)['message']],
            ['Error', message],
            `${fields}: its end`,
          )
        }
      }),
  },
  {
    id: 'ARGO-REFERENCING-2',
    title: 'A workflow with what the list allows, and with labels, annotations and parameters, runs.',
    needs: restricted,
    run: (target) =>
      Probe.use(target, async (probe) => {
        const metadata = { name: probe.name('a'), annotations: { 'example.com/a': 'b' } }
        taken(await probe.create(probe.manifest(metadata, RUNNING)), 'the create')
        same(statusOf(await probe.untilPhase('a', 'Succeeded', 'Error'))['phase'], 'Succeeded', 'its end')
      }),
  },
  {
    id: 'ARGO-REFERENCING-3',
    title: 'A workflow without a reference to a template ends in Error.',
    needs: restricted,
    run: (target) =>
      Probe.use(target, async (probe) => {
        const spec = { entrypoint: 'main', templates: [{ name: 'main', suspend: {} }] }
        taken(await probe.create({ metadata: { name: probe.name('a') }, spec }), 'the create')
        const ended = await probe.untilPhase('a', 'Error', 'Running')
        const words = 'workflows must use workflowTemplateRef to be executed'
        same(statusOf(ended)['phase'], 'Error', 'its phase')
        const message = asText(statusOf(ended)['message']) ?? ''
        check(message.startsWith(words), 'its message', message)
      }),
  },
]
