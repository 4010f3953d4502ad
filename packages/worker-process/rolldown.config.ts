import { bundle } from '../../rolldown.base.ts'

export default bundle({ index: 'src/index.ts', supervisor: 'src/supervisor/main.ts' })
