import { packageBuild } from '../../tsup.base.ts'

/** The types; the code is bundled by rolldown. */
export default packageBuild(undefined, { dts: { only: true }, clean: false })
