import { basename } from 'node:path'
import { expect, test } from 'vitest'
import { systemRuntime } from '@sluice/core/backend'
import { Layout } from '../../src/disk/layout.js'

function layout(queue: string): Layout {
  return new Layout({ dir: '/jobs', queue, runtime: systemRuntime })
}

test('every queue, uid and attempt has a place of its own', () => {
  const homes = ['a', 'A', 'a/b', '../a', 'a b', 'ä', ''].flatMap((queue) =>
    ['u', 'u1', 'u/1', '..'].flatMap((uid) =>
      [0, 1, 11].map((attempt) => layout(queue).place({ uid, attempt }).home),
    ),
  )
  expect(new Set(homes).size).toBe(homes.length)
  for (const home of homes) expect(home).toMatch(/^\/jobs\/[a-z0-9-]+\/jobs\/[0-9a-f]{2}\/[0-9a-f]{32}$/u)
})

test('a queue’s folder can be told by its name, and never gets too long', () => {
  expect(basename(layout('Tiles of 2026').root)).toMatch(/^tiles-of-2026-[0-9a-f]{16}$/u)
  expect(basename(layout('x'.repeat(1_024)).root).length).toBeLessThan(64)
})

test('where a job is does not change from release to release', () => {
  const { key } = layout('tiles').place({ uid: 'u1', attempt: 1 })
  expect(key).toMatchInlineSnapshot(`"4916ca3f240c97c35e32e6160ddb0f31"`)
})
