import { Writable } from 'node:stream'
import { systemRuntime } from '@sluice/core/backend'
import { describe, expect, test } from 'vitest'
import { LiveView } from '../../src/output/live-view.js'
import { createProgress } from '../../src/output/progress.js'
import { barText, countText, elapsedText, etaText, percentText, rateText } from '../../src/output/amounts.js'

class Screen extends Writable {
  text = ''
  readonly columns = 100
  readonly rows = 30
  readonly isTTY: boolean

  constructor(isTTY: boolean) {
    super()
    this.isTTY = isTTY
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += String(chunk)
    done()
  }

  // What a terminal has and cli-progress asks for.
  cursorTo(): boolean {
    return true
  }
  clearLine(): boolean {
    return true
  }
  moveCursor(): boolean {
    return true
  }
}

describe('progress', () => {
  test('without a terminal: lines of a log, not more often than every 2 s', () => {
    const screen = new Screen(false)
    let now = 0
    const runtime = { ...systemRuntime, monotonicMs: () => now }
    const progress = createProgress({
      label: 'Loading',
      total: 1_000,
      unit: 'items',
      stream: screen,
      runtime,
    })
    for (; now <= 6_000; now += 100) progress.update(now / 10, now)
    progress.stop()
    expect(screen.text.split('\n')).toEqual([
      'Loading: 20%, 2,000 items, 1,000/s, ETA 8s',
      'Loading: 40%, 4,000 items, 1,000/s, ETA 6s',
      'Loading: 60%, 6,000 items, 1,000/s, ETA 4s',
      '',
    ])
  })

  test('a slow one prints a line every 10 s; one of unknown length only counts', () => {
    const screen = new Screen(false)
    let now = 0
    const runtime = { ...systemRuntime, monotonicMs: () => now }
    const slow = createProgress({
      label: 'Loading',
      total: 1_000_000,
      unit: 'items',
      stream: screen,
      runtime,
    })
    for (; now <= 10_000; now += 1_000) slow.update(now / 10_000, now / 1_000)
    const endless = createProgress({ label: 'Reading', unit: 'items', stream: screen, runtime })
    now += 10_000
    endless.update(1, 12_345)
    expect(screen.text.split('\n')).toEqual([
      'Loading: 0%, 10 items, 1.0/s, ETA 115d 17h',
      'Reading: 12,345 items, 1,235/s',
      '',
    ])
  })

  test('on a terminal: a bar, and the cursor never hidden', () => {
    const screen = new Screen(true)
    const progress = createProgress({
      label: 'Loading',
      total: 10,
      unit: 'items',
      stream: screen,
      runtime: systemRuntime,
    })
    progress.update(5, 50)
    progress.stop()
    expect(screen.text).toContain('Loading: ████████████░░░░░░░░░░░░ 50%, 50 items')
    expect(screen.text).not.toContain('\u001B[?25l')
    expect(screen.text).not.toContain('\u001B[?7l')
  })
})

describe('live view', () => {
  test('without a terminal: a line every 2 s', () => {
    const screen = new Screen(false)
    let now = 0
    const runtime = { ...systemRuntime, monotonicMs: () => now }
    const view = new LiveView({ stream: screen, runtime })
    for (; now <= 4_500; now += 500) view.update({ picture: () => 'picture', line: () => `at ${now}` })
    view.stop()
    expect(screen.text).toBe('at 2000\nat 4000\n')
  })

  test('on a terminal: what stays the same is not drawn again', () => {
    const screen = new Screen(true)
    const view = new LiveView({ stream: screen, runtime: systemRuntime })
    const shown = { picture: () => 'head\ncount 1', line: () => '' }
    view.update(shown)
    const first = screen.text
    expect(first).not.toContain('\u001B[?25l')
    view.update(shown)
    expect(screen.text).toBe(first)
    view.update({ ...shown, picture: () => 'head\ncount 2' })
    expect(screen.text.slice(first.length)).toContain('count 2')
    expect(screen.text.slice(first.length)).not.toContain('head')
    view.stop()
  })
})

test('numbers as text', () => {
  expect(countText(1_234_567)).toBe('1,234,567')
  expect([rateText(undefined), rateText(600), rateText(6_000_000)]).toEqual(['-/s', '10.0/s', '100,000/s'])
  expect([etaText(undefined), etaText(0), etaText(79_400)]).toEqual(['ETA -', 'ETA 0ms', 'ETA 1m 20s'])
  expect([elapsedText(45), elapsedText(12_345), elapsedText(3_725_000)]).toEqual(['45ms', '12.3s', '1h 2m'])
  expect([barText(0.5, 4), barText(2, 2), barText(-1, 2)]).toEqual(['██░░', '██', '░░'])
  expect([percentText(999, 1_000), percentText(0, 0), percentText(5, 4)]).toEqual(['99%', '100%', '100%'])
})
