import { packageBuild } from '../../tsup.base.ts'

/** The types, and what rolldown does not bundle. */
export default [
  packageBuild({ index: 'src/index.ts' }, { dts: { only: true }, clean: false }),
  // Started once for each item of the demo: CommonJS is there a fifth sooner.
  packageBuild({ digest: 'src/demo/digest.ts' }, { format: ['cjs'], dts: false, clean: false }),
]
