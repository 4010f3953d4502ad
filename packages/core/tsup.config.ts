import { packageBuild } from '../../tsup.base.ts'

export default packageBuild({ index: 'src/index.ts', backend: 'src/backend/index.ts' })
