import type { Queue, Worker } from '@sluice/core'
import { expect, expectTypeOf, test } from 'vitest'
import { WorkQueue, type WorkQueueOptions } from '../src/index.js'
import { World } from './world.js'

interface Tile {
  url: string
}

interface Order {
  number: number
}

type Options<Q, W> = { queue: Q; worker: W }

test('queue and worker must be of one body; a queue’s results and what it stores may be of any type', () => {
  expectTypeOf<Options<Queue<Tile>, Worker<Tile>>>().toExtend<WorkQueueOptions<Tile>>()
  expectTypeOf<Options<Queue<Tile, Order>, Worker<Tile>>>().toExtend<WorkQueueOptions<Tile>>()
  expectTypeOf<Options<Queue<Tile, Order, Order>, Worker<Tile>>>().toExtend<WorkQueueOptions<Tile>>()
  expectTypeOf<Options<Queue, Worker>>().toExtend<WorkQueueOptions>()
  expectTypeOf<Options<Queue<Tile>, Worker<Order>>>().not.toExtend<WorkQueueOptions<Tile>>()
  expectTypeOf<Options<Queue<Order>, Worker<Tile>>>().not.toExtend<WorkQueueOptions<Tile>>()
})

test('the body is inferred from the queue', () => {
  const make = (queue: Queue<Tile>, worker: Worker<Tile>) => new WorkQueue({ queue, worker })
  expectTypeOf(make).returns.toEqualTypeOf<WorkQueue<Tile>>()
  // @ts-expect-error The worker takes bodies of another type.
  const wrong = (queue: Queue<Tile>, worker: Worker<Order>) => new WorkQueue({ queue, worker })
  expect(wrong).toBeTypeOf('function')
  const world = new World()
  expectTypeOf(new WorkQueue({ queue: world.queue, worker: world.worker })).toEqualTypeOf<WorkQueue>()
})
