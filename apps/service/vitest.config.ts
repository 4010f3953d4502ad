import { defineConfig } from 'vitest/config'
import { oneByOne, testBase } from '../../vitest.base.ts'

// Many tests start the built command line, several times; on a busy machine each start takes its time.
export default defineConfig({ test: { ...testBase, ...oneByOne } })
