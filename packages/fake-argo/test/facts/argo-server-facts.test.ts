import { afterAll, describe, expect, test } from 'vitest'
import {
  argoServerFacts,
  argoTarget,
  runArgoFact,
  startArgoServer,
  type ArgoServerOptions,
  type ArgoTarget,
  type ArgoVersion,
} from '../../src/index.ts'
import { ManualRuntime } from '@sluice/testkit'
import { denyLabelled, factTarget } from '../bench.ts'

const {
  SLUICE_TEST_ARGO_URL: givenUrl,
  SLUICE_TEST_ARGO_TOKEN: givenToken,
  SLUICE_TEST_ARGO_NAMESPACE: givenNamespace = 'argo',
} = process.env

const servers: { close(): Promise<void> }[] = []
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()))
})

/** Each fact on a server of this package, all by its own clock. */
async function fake(options: ArgoServerOptions): Promise<ArgoTarget> {
  const runtime = new ManualRuntime()
  const server = await startArgoServer({ runtime, admission: denyLabelled, ...options })
  servers.push(server)
  const mode = options.controller?.templateReferencing?.mode
  return factTarget(server, runtime, mode === undefined ? {} : { templateReferencing: mode })
}

const LINES: readonly ArgoVersion[] = ['3.5.15', '3.6.19', '3.7.18', '4.0.10', '4.1.2']

describe.each(LINES)('the facts of Argo: the server of this package, as %s', async (version) => {
  const target = await fake({ version })
  const archiving = await fake({ version, archive: true })
  const strict = await fake({ version, controller: { templateReferencing: { mode: 'Strict' } } })
  const secure = await fake({ version, controller: { templateReferencing: { mode: 'Secure' } } })
  for (const fact of argoServerFacts) {
    // What the versions and the archive differ in is skipped on one of the two.
    test(`${fact.id} ${fact.title}`, async () => {
      const outcomes = [await runArgoFact(fact, target), await runArgoFact(fact, archiving)]
      // Others are about what such a controller wouldn't run.
      if (fact.id.startsWith('ARGO-REFERENCING')) {
        outcomes.push(await runArgoFact(fact, strict), await runArgoFact(fact, secure))
      }
      const isOfOtherVersions = ['ARGO-LIST-5', 'ARGO-LIST-6', 'ARGO-LOCK-3', 'ARGO-REFERENCING-1'].includes(
        fact.id,
      )
      const holdsHere = [target, strict].some((one) => fact.needs?.(one) === undefined)
      expect(outcomes.includes('holds')).toBe(!isOfOtherVersions || holdsHere)
    })
  }
})

function testGiven(url: string) {
  describe('the facts of Argo: the server given', async () => {
    const target = await argoTarget({
      url: url.replace(/\/$/, ''),
      namespace: givenNamespace,
      ...(givenToken === undefined ? {} : { token: givenToken }),
      template: 'test-workflow-template',
      prefix: `facts-${process.pid.toString(36)}-${Date.now().toString(36).slice(-5)}`,
    })
    for (const fact of argoServerFacts) {
      const isSkipped = fact.needs?.(target) !== undefined
      test(`${fact.id} ${fact.title}`, { timeout: 300_000, skip: isSkipped }, async () => {
        expect(await runArgoFact(fact, target)).toBe('holds')
      })
    }
  })
}

if (givenUrl !== undefined) testGiven(givenUrl)
