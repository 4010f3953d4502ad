import { defineConfig } from 'vitest/config'
import { besideOthers, testBase } from '../../vitest.base.ts'

export default defineConfig({ test: { ...testBase, ...besideOthers } })
