import { testEngine } from '@sluice/testkit/vitest'
import { enginePlace } from './engine-place.js'

testEngine('WorkQueue', enginePlace)
