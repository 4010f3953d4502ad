import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { defineConfig } from 'vitest/config'
import { oneByOne, testBase } from '../../vitest.base.ts'

const hooks = pathToFileURL(join(import.meta.dirname, 'test/ts-hooks.mjs')).href

export default defineConfig({
  // The supervisor is a process of its own, which runs the sources too.
  test: { ...testBase, ...oneByOne, env: { NODE_OPTIONS: `--import ${hooks} --no-warnings` } },
})
