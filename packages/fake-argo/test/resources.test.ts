import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { startArgoServer, type ArgoTemplate } from '../src/index.ts'
import { ManualRuntime } from '@sluice/testkit'
import { at, clientOf } from './client.ts'
import { assertShape } from './shapes.ts'

const FILE = join(import.meta.dirname, '..', '..', '..', 'resources', 'test_workflow_template.yaml')

const documents = parseAllDocuments(await readFile(FILE, 'utf8'), { strict: true })
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the shapes below check it
const templates = documents.map((document) => document.toJS() as ArgoTemplate)

/** The parameters of a template, each with its default. */
function declared(name: string): readonly unknown[] {
  const given = templates.find(({ metadata }) => metadata.name === name)
  const parameters = at(given?.spec, 'arguments', 'parameters')
  return Array.isArray(parameters) ? parameters.map((one) => [at(one, 'name'), at(one, 'value')]) : []
}

describe('the templates for trials', () => {
  test('are YAML, and WorkflowTemplates of the shape that the API takes', () => {
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
    for (const template of templates) {
      expect(template).toMatchObject({ apiVersion: 'argoproj.io/v1alpha1', kind: 'WorkflowTemplate' })
      expect(Object.keys(template).toSorted()).toEqual(['apiVersion', 'kind', 'metadata', 'spec'])
      expect(() => assertShape('WorkflowSpec', template.spec)).not.toThrow()
    }
  })

  test('have the same parameters as those of the server of this package', () => {
    expect(declared('test-workflow-template')).toEqual([
      ['item', undefined],
      ['mode', 'succeed'],
      ['seconds', '1'],
    ])
    expect(declared('test-workflow-template-podless')).toEqual([
      ['item', undefined],
      ['seconds', '1'],
    ])
  })

  test('end as the mode says, after the given seconds', async () => {
    const runtime = new ManualRuntime()
    const server = await startArgoServer({ runtime, templates, controller: { reconcileDelayMs: 0 } })
    const client = clientOf(server)
    const ends = { succeed: 'Succeeded', fail: 'Failed', error: 'Error' }
    for (const mode of Object.keys(ends)) {
      await client.submit(mode, ['item=1', `mode=${mode}`, 'seconds=3'])
    }
    expect((await client.submit('none', ['item=1', 'mode=dance'])).status).toBe(400)
    await runtime.advance(2_999)
    for (const mode of Object.keys(ends))
      expect(at((await client.get(mode)).body, 'status', 'phase')).toBe('Running')
    await runtime.advance(1)
    for (const [mode, phase] of Object.entries(ends))
      expect(at((await client.get(mode)).body, 'status', 'phase')).toBe(phase)
    await server.close()
  })
})
