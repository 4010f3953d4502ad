import { describe, expect, test } from 'vitest'
import { isWorkflowOf, jobOf } from '../../src/jobs/job-identity.js'
import { annotationsOfJob, labelsOfJob, nameJob, queueLabel } from '../../src/jobs/job-name.js'
import type { Workflow } from '../../src/workflow/workflow.js'

const ODD_IDS = [
  'a',
  'Ä/ö ü',
  '..',
  '-',
  '💥',
  'x'.repeat(1_024),
  'a,b=c',
  '{{workflow.name}}',
  'UPPER',
  'upper',
  "it's",
  '%41',
]
const NAME = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/u
const VALUE = /^[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$/u

describe('the name of a job', () => {
  test.each(ODD_IDS)('of the id %j is legal at Kubernetes, in each of its parts', (id) => {
    for (const queue of ODD_IDS) {
      for (const attempt of [1, 1_000_000, Number.MAX_SAFE_INTEGER]) {
        const job = nameJob(queue, { id, uid: `uid of ${id}`, attempt })
        expect(job.workflow).toMatch(NAME)
        for (const value of Object.values(labelsOfJob(queue, job))) expect(value).toMatch(VALUE)
        for (const value of Object.values(annotationsOfJob(queue, job))) expect(value).not.toMatch(/[,=]/u)
      }
    }
  })

  test('is the same for the same job, and another for every other one', () => {
    const job = { id: 'a', uid: 'u', attempt: 1 }
    expect(nameJob('q', job)).toEqual(nameJob('q', { ...job }))
    const names = [
      nameJob('q', job),
      nameJob('r', job),
      nameJob('q', { ...job, attempt: 2 }),
      nameJob('q', { ...job, uid: 'v' }),
      nameJob('q', { ...job, attempt: 11 }),
    ]
    expect(new Set(names.map(({ workflow }) => workflow)).size).toBe(names.length)
    expect(new Set(names.map(({ key }) => key)).size).toBe(names.length)
  })

  test('begins with readable words', () => {
    const job = nameJob('tiles', { id: 'maps/1.tif', uid: 'u', attempt: 3 })
    const labels = labelsOfJob('tiles', job)
    expect(job.workflow).toMatch(/^tiles-maps-1-tif-[0-9a-f]{20}-a3$/u)
    expect(labels).toMatchObject({ 'sluice/attempt': '3' })
    expect(labels['sluice/queue']).toMatch(/^tiles-[0-9a-f]{12}$/u)
    expect(labels['sluice/item']).toMatch(/^maps-1-tif-[0-9a-f]{8}$/u)
  })

  test('of queues that look alike has labels that differ [W-POLL-3]', () => {
    const names = ['tiles', 'Tiles', 'tiles/1', 'tiles_1', 'tiles-1', "tile's", ' tiles']
    expect(new Set(names.map(queueLabel)).size).toBe(names.length)
  })

  test('refuses a uid that is no text', () => {
    expect(() => nameJob('q', { id: 'a', uid: '\ud800', attempt: 1 })).toThrow(TypeError)
  })
})

describe('the job of a workflow', () => {
  const job = nameJob('q', { id: 'Ä,b=c/💥', uid: 'u,1', attempt: 2 })
  const workflow = (metadata: Partial<Workflow['metadata']> = {}): Workflow => ({
    metadata: {
      name: job.workflow,
      uid: 'k',
      labels: labelsOfJob('q', job),
      annotations: annotationsOfJob('q', job),
      ...metadata,
    },
  })

  test('is found in it, id and all', () => {
    expect(jobOf('q', workflow())?.ref).toEqual({ id: 'Ä,b=c/💥', uid: 'u,1', attempt: 2 })
    expect(isWorkflowOf(workflow(), job)).toBe(true)
  })

  test('is not that of a copy under another name, as resubmit makes one', () => {
    expect(jobOf('q', workflow({ name: 'copy-x7k2p' }))).toBeUndefined()
  })

  test('is not that of another queue', () => {
    expect(jobOf('another', workflow())).toBeUndefined()
  })

  test('is known by its annotations when the labels were taken away, and by its labels when the annotations were', () => {
    expect(isWorkflowOf(workflow({ labels: {} }), job)).toBe(true)
    expect(isWorkflowOf(workflow({ annotations: {} }), job)).toBe(true)
    expect(isWorkflowOf(workflow({ labels: {}, annotations: {} }), job)).toBe(false)
  })

  test('is not that of a foreign workflow that has the name', () => {
    expect(isWorkflowOf(workflow({ labels: { 'sluice/job': 'of another' } }), job)).toBe(false)
  })

  test.each([
    [{ annotations: { 'sluice/id': '%', 'sluice/uid': 'u' } }],
    [{ labels: { 'sluice/attempt': 'two' } }],
    [{ labels: { 'sluice/attempt': '-1' } }],
  ])('is none when an operator wrote %j into it', (metadata) => {
    expect(jobOf('q', workflow(metadata))).toBeUndefined()
  })
})
