import type { JsonValue } from '@sluice/core'
import { asArray, asObject, asText, isObject, type JsonObject } from '../argo-workflow.js'
import { goJson } from '../server/go-json.js'
import { fitsArgument, fitsVariable, type Kubelet } from './kubelet.js'
import type { RunNode } from './template-run.js'

/** What a program is started with. */
export interface SeenContainer {
  readonly env: Readonly<Record<string, string>>
  readonly command: readonly string[]
  readonly args: readonly string[]
}

/** What the programs of one pod of a workflow see. */
export interface SeenPod {
  /** The steps and tasks that led to it; none: it is the entrypoint. */
  readonly path: readonly string[]
  /** By name; the only one of a template is `main`. */
  readonly containers: Readonly<Record<string, SeenContainer>>
  /** The script that is run. */
  readonly source?: string
  /** The manifest of a resource template. */
  readonly manifest?: string
  /** Raw data of artifacts, by their names. */
  readonly artifacts: Readonly<Record<string, string>>
  /** Of output parameters, by their names. */
  readonly defaults: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** The conditions of the steps that led to it, as they are evaluated. */
  readonly when: readonly string[]
  /** Linux starts its programs. If not, they end with exit code 1 at once. */
  readonly starts: boolean
}

/**
 * From this size on Argo passes a template to its pod in a file, and arguments likewise: the kubelet expands
 * nothing in it.
 */
const MAX_VARIABLE_BYTES = 131_072

/** Set in every container of every pod. */
const OF_CLUSTER = [
  ['KUBERNETES_SERVICE_HOST', '10.96.0.1'],
  ['KUBERNETES_SERVICE_PORT', '443'],
] as const

/** The pod of a node, if it has one. */
export function podOf({ path, when, template }: RunNode, kubelet: Kubelet): SeenPod | undefined {
  const containers = containersOf(template)
  if (containers.length === 0) return undefined
  const seen = containers.map(
    ({ name, container }) => [name, seenContainer(name, container, kubelet)] as const,
  )
  const told = toldTemplate(template, kubelet)
  const source = asText(asObject(told['script'])['source'])
  const manifest = asText(asObject(told['resource'])['manifest'])
  return {
    path,
    when,
    containers: Object.fromEntries(seen),
    ...(source === undefined ? {} : { source }),
    ...(manifest === undefined ? {} : { manifest }),
    artifacts: textsOf(asObject(told['inputs'])['artifacts'], (one) => asObject(one['raw'])['data']),
    defaults: textsOf(
      asObject(told['outputs'])['parameters'],
      (one) => asObject(one['valueFrom'])['default'],
    ),
    annotations: annotationsOf(template),
    starts: seen.every(([, one]) => canStart(one)),
  }
}

function containersOf(template: JsonObject): readonly { name: string; container: JsonObject }[] {
  const { container, script, resource, containerSet, sidecars, initContainers } = template
  const main = container ?? script ?? (resource === undefined ? undefined : {})
  const others = [
    containerSet === undefined ? undefined : asObject(containerSet)['containers'],
    sidecars,
    initContainers,
  ]
  return [
    ...(main === undefined ? [] : [{ name: 'main', container: asObject(main) }]),
    ...others.flatMap(asArray).map((one) => {
      const other = asObject(one)
      return { name: asText(other['name']) ?? '', container: other }
    }),
  ]
}

function seenContainer(name: string, { env, command, args }: JsonObject, kubelet: Kubelet): SeenContainer {
  const known = new Map<string, string>(OF_CLUSTER)
  const own: Record<string, string> = {}
  for (const variable of asArray(env).map(asObject)) {
    const key = asText(variable['name']) ?? ''
    // It may refer to those before it.
    own[key] = kubelet.expand(asText(variable['value']) ?? '', known)
    known.set(key, own[key])
  }
  known.set('ARGO_CONTAINER_NAME', name).set('ARGO_NODE_ID', 'node')
  const listed = (value: JsonValue | undefined) => {
    const texts = asArray(value).map((one) => asText(one) ?? '')
    const inFile = bytesOf(goJson(texts)) > MAX_VARIABLE_BYTES
    return inFile ? texts : texts.map((text) => kubelet.expand(text, known))
  }
  return { env: own, command: listed(command), args: listed(args) }
}

/**
 * The template as the pod's init container reads it: out of a variable, which the kubelet expands, if it fits
 * into one.
 */
function toldTemplate(template: JsonObject, kubelet: Kubelet): JsonObject {
  const json = goJson(template)
  if (bytesOf(json) > MAX_VARIABLE_BYTES) return template
  const known = new Map<string, string>([
    ...OF_CLUSTER,
    ['ARGO_CONTAINER_NAME', 'init'],
    ['ARGO_NODE_ID', 'node'],
  ])
  const told: unknown = JSON.parse(kubelet.expand(json, known))
  return isObject(told) ? told : {}
}

function textsOf(
  list: JsonValue | undefined,
  textOf: (one: JsonObject) => JsonValue | undefined,
): Record<string, string> {
  const texts = asArray(list).flatMap((each) => {
    const one = asObject(each)
    const text = asText(textOf(one))
    return text === undefined ? [] : [[asText(one['name']) ?? '', text] as const]
  })
  return Object.fromEntries(texts)
}

function annotationsOf(template: JsonObject): Record<string, string> {
  const given = asObject(asObject(template['metadata'])['annotations'])
  return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, asText(value) ?? '']))
}

function canStart({ env, command, args }: SeenContainer): boolean {
  return (
    Object.entries(env).every(([name, value]) => fitsVariable(name, value)) &&
    [...command, ...args].every(fitsArgument)
  )
}

function bytesOf(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}
