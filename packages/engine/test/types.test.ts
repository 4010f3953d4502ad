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

test('a worker of any JSON is one for a queue of any JSON bodies', () => {
  expectTypeOf<Options<Queue<Tile>, Worker>>().toExtend<WorkQueueOptions<Tile>>()
  expectTypeOf<Options<Queue<{ url: string }>, Worker>>().toExtend<WorkQueueOptions<{ url: string }>>()
  const make = (queue: Queue<Tile>, worker: Worker) => new WorkQueue({ queue, worker })
  expectTypeOf(make).returns.toEqualTypeOf<WorkQueue<Tile>>()
  // A type alias fits JsonValue, and a worker of one takes no other bodies all the same.
  expectTypeOf<Options<Queue<Tile>, Worker<{ number: number }>>>().not.toExtend<WorkQueueOptions<Tile>>()
  // What a schema makes of a body need not be JSON.
  expectTypeOf<Options<Queue<{ at: Date }>, Worker>>().not.toExtend<WorkQueueOptions<{ at: Date }>>()
  expect(make).toBeTypeOf('function')
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
