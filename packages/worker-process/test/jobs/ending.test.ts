import { expect, test } from 'vitest'
import { isSuccess, parseEnding } from '../../src/jobs/ending.js'

test.each([
  ['0', { how: 'exited', exitCode: 0, stopped: false }, true],
  ['0 stopped', { how: 'exited', exitCode: 0, stopped: true }, false],
  ['3', { how: 'exited', exitCode: 3, stopped: false }, false],
  ['128', { how: 'exited', exitCode: 128, stopped: false }, false],
  ['129', { how: 'signalled', exitCode: 129, signal: 'SIGHUP', stopped: false }, false],
  ['137 stopped', { how: 'signalled', exitCode: 137, signal: 'SIGKILL', stopped: true }, false],
  ['200', { how: 'exited', exitCode: 200, stopped: false }, false],
  ['255', { how: 'exited', exitCode: 255, stopped: false }, false],
  ['vanished', { how: 'vanished', stopped: false }, false],
  ['vanished stopped', { how: 'vanished', stopped: true }, false],
  ['restarted', { how: 'restarted', stopped: false }, false],
  ['unstartable', { how: 'unstartable', stopped: false }, false],
])('%s', (text, ending, success) => {
  expect(parseEnding(text)).toEqual(ending)
  expect(isSuccess(parseEnding(text))).toBe(success)
})
