import { SluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import { fileError, spawnError } from '../src/process-errors.js'

/** As Node makes them. */
function systemError(code: string, syscall: string, path?: string): NodeJS.ErrnoException {
  const error = new Error(`${code}: it did not work, ${syscall} '${path}'`)
  return Object.assign(error, { code, syscall, errno: -1 }, path === undefined ? {} : { path })
}

test.each([
  ['EACCES', 'permission denied'],
  ['EPERM', 'operation not permitted'],
  ['EROFS', 'the file system is read-only'],
])('of a folder that refuses with %s the folder is named, and what to do', (code, words) => {
  const error = fileError(systemError(code, 'mkdir', '/var/jobs/preparing/0a1b2c'), 'start a job')
  expect(error).toMatchObject({ code: 'SLUICE_WORKER_DENIED', concerns: 'worker' })
  expect(error.message).toBe(
    `Could not start a job: ${words} (${code} mkdir in /var/jobs/preparing); let the user of the service write there, ` +
      'or name another folder as `dir` (`worker.dir` in the service).',
  )
})

test.each([
  ['ENOSPC', 'SLUICE_WORKER_UNAVAILABLE'],
  ['EMFILE', 'SLUICE_WORKER_UNAVAILABLE'],
  ['ENOENT', 'SLUICE_WORKER_UNAVAILABLE'],
])('of the file system: %s is %s, and the worker’s trouble', (code, expected) => {
  const cause = systemError(code, 'mkdir', '/var/jobs')
  const error = fileError(cause, 'start a job')
  expect(error).toMatchObject({ code: expected, concerns: 'worker', cause })
  expect(error.message).toBe(`Could not start a job: ${code} mkdir /var/jobs.`)
})

test.each([
  ['E2BIG', 'SLUICE_JOB_REJECTED', 'item'],
  ['EAGAIN', 'SLUICE_WORKER_UNAVAILABLE', 'capacity'],
  ['ENOMEM', 'SLUICE_WORKER_UNAVAILABLE', 'capacity'],
  ['EMFILE', 'SLUICE_WORKER_UNAVAILABLE', 'worker'],
  ['ENOENT', 'SLUICE_WORKER_UNAVAILABLE', 'worker'],
  ['EACCES', 'SLUICE_WORKER_DENIED', 'worker'],
])('of starting a process: %s is %s and concerns the %s', (code, expected, concerns) => {
  const error = spawnError(systemError(code, 'spawn /bin/sh', '/bin/sh'), 'a')
  expect(error).toMatchObject({ code: expected, concerns, itemId: 'a' })
  expect(error.message).toContain('"a"')
})

test('what is ours already stays as it is', () => {
  const ours = new SluiceError('SLUICE_JOB_REJECTED', 'no')
  expect(fileError(ours, 'x')).toBe(ours)
})
