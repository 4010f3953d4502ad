import { createHash, createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { errorAnswer, type S3Answer } from './answer.js'
import type { RawRequest } from './request.js'

/** A pair of keys, with the token if they are of a session. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** Which signatures are accepted. */
export interface AccessRules {
  readonly credentials: S3Credentials
  /** The region that signatures must name; `undefined`: any. */
  readonly region: string | undefined
  /** How far the signature's instant may be from the server's, in ms; `undefined`: any distance. */
  readonly maxClockSkewMs: number | undefined
}

interface Authorization {
  readonly accessKeyId: string
  readonly date: string
  readonly region: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/

/**
 * Checks the signature (version 4, in the `Authorization` header) as AWS does, and returns the refusal, or
 * `undefined`.
 */
export function accessRefusal(raw: RawRequest, rules: AccessRules, now: number): S3Answer | undefined {
  const authorization = parseAuthorization(raw.headers['authorization'])
  if (authorization === undefined) return errorAnswer('AccessDenied')
  const { credentials } = rules
  if (authorization.accessKeyId !== credentials.accessKeyId) return errorAnswer('InvalidAccessKeyId')
  if (raw.headers['x-amz-security-token'] !== credentials.sessionToken) return errorAnswer('InvalidToken')
  if (signatureOf(raw, authorization, credentials.secretAccessKey) !== authorization.signature) {
    return errorAnswer('SignatureDoesNotMatch')
  }
  if (skewed(raw.headers['x-amz-date'], rules.maxClockSkewMs, now)) return errorAnswer('RequestTimeTooSkewed')
  return regionRefusal(authorization.region, rules.region)
}

function regionRefusal(named: string, region: string | undefined): S3Answer | undefined {
  if (region === undefined || named === region) return undefined
  return errorAnswer('AuthorizationHeaderMalformed', {
    message: `The authorization header is malformed; the region '${named}' is wrong; expecting '${region}'`,
    fields: { Region: region },
    headers: { 'x-amz-bucket-region': region },
  })
}

function parseAuthorization(header: string | undefined): Authorization | undefined {
  const [, accessKeyId, date, region, names, signature] = AUTHORIZATION.exec(header ?? '') ?? []
  if (!accessKeyId || !date || !region || !names || !signature) return undefined
  return { accessKeyId, date, region, signedHeaders: names.split(';'), signature }
}

function skewed(amzDate: string | undefined, maxMs: number | undefined, now: number): boolean {
  if (maxMs === undefined) return false
  const iso = (amzDate ?? '').replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
  return !(Math.abs(Date.parse(iso) - now) <= maxMs)
}

/** @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
function signatureOf(raw: RawRequest, authorization: Authorization, secret: string): string {
  const { date, region, signedHeaders } = authorization
  const cut = raw.target.indexOf('?')
  const canonical = [
    raw.method,
    cut < 0 ? raw.target : raw.target.slice(0, cut),
    cut < 0 ? '' : canonicalQuery(raw.target.slice(cut + 1)),
    ...signedHeaders.map((name) => `${name}:${(raw.headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}`),
    '',
    signedHeaders.join(';'),
    raw.headers['x-amz-content-sha256'] ?? '',
  ].join('\n')
  const scope = `${date}/${region}/s3/aws4_request`
  const hash = createHash('sha256').update(canonical).digest('hex')
  const toSign = ['AWS4-HMAC-SHA256', raw.headers['x-amz-date'] ?? '', scope, hash].join('\n')
  return createHmac('sha256', signingKey(secret, date, region))
    .update(toSign)
    .digest('hex')
}

function canonicalQuery(query: string): string {
  const pairs = [...new URLSearchParams(query.replaceAll('+', '%2B'))]
  return pairs
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join('&')
}

function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

const signingKeys = new Map<string, KeyObject>()

function signingKey(secret: string, date: string, region: string): KeyObject {
  const name = `${secret}\n${date}\n${region}`
  const known = signingKeys.get(name)
  if (known !== undefined) return known
  let key = Buffer.from(`AWS4${secret}`)
  for (const part of [date, region, 's3', 'aws4_request'])
    key = createHmac('sha256', key).update(part).digest()
  const made = createSecretKey(key)
  signingKeys.set(name, made)
  return made
}
