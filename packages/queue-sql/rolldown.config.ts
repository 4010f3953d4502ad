import { bundle } from '../../rolldown.base.ts'

export default bundle()
