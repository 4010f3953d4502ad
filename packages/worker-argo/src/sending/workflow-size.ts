import { utf8Bytes } from '@sluice/core/backend'
import { goJsonBytes } from '../template/go-json.js'
import type { JobParameters } from '../parameters/job-parameters.js'
import type { ArgoWorkerSettings } from '../options.js'

interface Stored {
  readonly templateBytes: number
  /** Of the request, as JSON. */
  readonly body: string
}

interface Sending extends Stored {
  readonly parameters: JobParameters
}

type Limits = Pick<ArgoWorkerSettings, 'maxTotalParameterBytes' | 'template'>

/** The bytes that are left for a workflow. */
export function roomBytes({ templateBytes, body }: Stored, { maxTotalParameterBytes }: Limits): number {
  return maxTotalParameterBytes - templateBytes - goJsonBytes(body)
}

/** Of one UTF-16 code unit in JSON as Go writes it: an escape. */
const MOST_BYTES_OF_UNIT = 6

/**
 * Why a workflow is too large for Kubernetes to store: Argo accepts it all the same, and it then ends in
 * Error, or never gets a phase and counts for ever.
 */
export function totalProblem({ parameters, ...stored }: Sending, limits: Limits): string | undefined {
  const { templateBytes, body } = stored
  const { maxTotalParameterBytes, template } = limits
  if (templateBytes + body.length * MOST_BYTES_OF_UNIT <= maxTotalParameterBytes) return undefined
  const room = roomBytes(stored, limits)
  if (room >= 0) return undefined
  const sent = maxTotalParameterBytes - templateBytes - room
  const [name, bytes] = [...parameters]
    .map(([one, text]) => [one, utf8Bytes(text)] as const)
    .reduce((a, b) => (b[1] > a[1] ? b : a), ['none', 0] as const)
  const own = templateBytes === 0 ? '' : `, and template ${template} ${templateBytes}`
  return (
    `its workflow is ${sent} bytes as JSON${own}: more than the ${maxTotalParameterBytes} (maxTotalParameterBytes) that fit into Kubernetes. ` +
    `Its largest parameter is ${name}, of ${bytes} bytes: put the data elsewhere and its address into the body`
  )
}
