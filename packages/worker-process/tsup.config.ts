import { packageBuild } from '../../tsup.base.ts'

export default packageBuild(
  { index: 'src/index.ts', supervisor: 'src/supervisor/main.ts' },
  { dts: { entry: { index: 'src/index.ts' } } },
)
