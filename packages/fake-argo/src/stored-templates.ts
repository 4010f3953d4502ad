import { asArray, asObject, asText, isObject, type JsonObject } from './argo-workflow.js'
import { entrypointOf } from './outcome.js'

/**
 * What validating a workflow leaves in its status: each template of the one it refers to that its entrypoint leads to, by scope, template and
 * name. `undefined` for a workflow that refers to none.
 *
 * @param resolved the spec it runs by
 */
export function storedTemplates(spec: JsonObject, resolved: JsonObject): JsonObject | undefined {
  const ref = spec['workflowTemplateRef']
  if (!isObject(ref)) return undefined
  const scope = ref['clusterScope'] === true ? 'cluster' : 'namespaced'
  const all = new Map(
    asArray(resolved['templates']).map((one) => [asText(asObject(one)['name']) ?? '', asObject(one)]),
  )
  const stored: Record<string, JsonObject> = {}
  const store = (name: string): void => {
    const template = all.get(name)
    const id = `${scope}/${asText(ref['name']) ?? ''}/${name}`
    if (template === undefined || id in stored) return
    stored[id] = { name, inputs: {}, outputs: {}, metadata: {}, ...template }
    for (const next of namesWithin(template)) store(next)
  }
  store(entrypointOf(resolved))
  return stored
}

/** The templates that steps and tasks name. */
function namesWithin(template: JsonObject): string[] {
  const steps = asArray(template['steps']).flatMap((group) => (Array.isArray(group) ? group : [group]))
  const tasks = asArray(asObject(template['dag'])['tasks'])
  return [...steps, ...tasks].flatMap((one) => asText(asObject(one)['template']) ?? [])
}
