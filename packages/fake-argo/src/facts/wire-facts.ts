import { check, same } from '@sluice/testkit/server'
import type { ArgoFact, ArgoTarget } from './argo-fact.js'
import { asObject, asText } from '../argo-workflow.js'
import { metadataOf, Probe, refused, taken } from './probe.js'

const needsToken = ({ token }: ArgoTarget) => (token === undefined ? 'no token given' : undefined)

/** What holds for all requests, and the small endpoints. */
export const wireFacts: readonly ArgoFact[] = [
  {
    id: 'ARGO-WIRE-1',
    title: 'Paths outside the API are answered 200 with HTML, whatever the method.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        for (const method of ['GET', 'POST', 'PUT']) {
          const { status, headers } = await probe.send(method, '/somewhere/else')
          const type = headers.get('content-type') ?? ''
          same([status, type.startsWith('text/html')], [200, true], `status and type of a ${method}`)
        }
      }),
  },
  {
    id: 'ARGO-WIRE-2',
    title: 'Unknown routes and methods of the API are refused with 501, code 12.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        refused(await probe.send('GET', 'nosuch/thing'), [501, 12], {
          words: 'Not Implemented',
          what: 'an unknown route',
        })
        refused(await probe.send('PATCH', probe.path('a')), [501, 12], {
          words: 'Not Implemented',
          what: 'an unknown method',
        })
      }),
  },
  {
    id: 'ARGO-WIRE-3',
    title: 'Successes have the version in a header, and every answer those of the rate limiter.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const { headers } = await probe.list()
        same(headers.get('grpc-metadata-argo-version'), target.version, 'the version')
        same(headers.get('content-type'), 'application/json', 'the type')
        for (const name of ['x-ratelimit-limit', 'x-ratelimit-remaining']) {
          check(/^\d+$/.test(headers.get(name) ?? ''), `${name} is a number`, headers.get(name))
        }
        const reset = Date.parse(headers.get('x-ratelimit-reset') ?? '')
        check(Number.isFinite(reset), 'x-ratelimit-reset is a date', headers.get('x-ratelimit-reset'))
      }),
  },
  {
    id: 'ARGO-WIRE-4',
    title: 'JSON is as Go writes it, with HTML’s characters escaped.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const { text } = await probe.submit('a', { parameters: ['item=<&>'], dryRun: true })
        check(text.includes('\\u003c\\u0026\\u003e'), 'the value is escaped', text)
      }),
  },
  {
    id: 'ARGO-WIRE-5',
    title: 'Two slashes in a path are answered with a redirect.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const { status } = await probe.send('GET', `/api/v1//workflows/${target.namespace}`)
        check(status >= 300 && status < 400, 'it is a redirect', status)
      }),
  },
  {
    id: 'ARGO-AUTH-1',
    title:
      'Without a token, and with a malformed one, it is refused with 401, code 16, and without the version.',
    needs: needsToken,
    run: (target) =>
      Probe.use(target, async (probe) => {
        const { token: _, ...without } = target
        const none = await new Probe(without).list()
        refused(none, [401, 16], { words: 'token not valid', what: 'a request without a token' })
        same(none.headers.get('grpc-metadata-argo-version'), null, 'the version')
        const path = `workflows/${target.namespace}`
        const garbled = await probe.send('GET', path, { headers: { authorization: 'token abc' } })
        refused(garbled, [401, 16], { words: 'token not valid', what: 'a garbled header' })
      }),
  },
  {
    id: 'ARGO-AUTH-2',
    title: 'An unknown token is refused with 401, code 16.',
    needs: needsToken,
    run: (target) =>
      Probe.use(target, async (probe) => {
        const headers = { authorization: 'Bearer nobodys-token' }
        const came = await probe.send('GET', probe.path(probe.name('a')), { headers })
        refused(came, [401, 16], { words: 'Unauthorized', what: 'an unknown token' })
      }),
  },
  {
    id: 'ARGO-INFO-1',
    title: 'Version, info and user are returned.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        same(taken(await probe.send('GET', 'version'), 'version')['version'], target.version, 'the version')
        const { modals } = taken(await probe.send('GET', 'info'), 'info')
        check(typeof modals === 'object', 'info has modals', modals)
        taken(await probe.send('GET', 'userinfo'), 'userinfo')
      }),
  },
  {
    id: 'ARGO-INFO-2',
    title: 'A template is returned with its parameters; a missing one is refused with 404, code 5.',
    run: (target) =>
      Probe.use(target, async (probe) => {
        const base = `workflow-templates/${target.namespace}`
        const template = taken(await probe.send('GET', `${base}/${target.template}`), 'the template')
        same(metadataOf(template)['name'], target.template, 'its name')
        const { parameters } = asObject(asObject(template['spec'])['arguments'])
        const names = Array.isArray(parameters) ? parameters.map((one) => asText(asObject(one)['name'])) : []
        check(names.includes('item') && names.includes('seconds'), 'its parameters', names)
        refused(await probe.send('GET', `${base}/${probe.name('none')}`), [404, 5], {
          words: 'not found',
          what: 'another one',
        })
      }),
  },
]
