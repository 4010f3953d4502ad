import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import { compareBytes } from '@sluice/core/backend'

/** One entry of a LIST. */
export interface Listed {
  readonly key: string
  readonly sizeBytes: number
  /** Epoch ms of the store's clock, whole seconds; infinite where the store doesn't say. */
  readonly modifiedAt: number
}

export interface ListedPage {
  readonly objects: readonly Listed[]
  readonly more: boolean
}

/** A page as the store returns it: an empty one may say that there is more, and from where on. */
export interface RawPage extends ListedPage {
  readonly token: string | undefined
}

/** The page of a LIST, which says in one of two ways whether there is more. */
export function pageOf(output: ListObjectsV2CommandOutput): RawPage {
  const keyOf = keyOfIn(output)
  const objects = (output.Contents ?? []).flatMap(({ Key, Size, LastModified }) => {
    if (Key === undefined) return []
    return [{ key: keyOf(Key), sizeBytes: Size ?? 0, modifiedAt: instantOf(LastModified) }]
  })
  const { NextContinuationToken = '', IsTruncated = NextContinuationToken !== '' } = output
  return { objects, more: IsTruncated, token: NextContinuationToken || undefined }
}

/** By their bytes, as LIST orders them. */
export function isFurther(
  key: string,
  { prefix, after }: { prefix: string; after: string | undefined },
): boolean {
  if (!key.startsWith(prefix)) return false
  return after === undefined || compareBytes(key, after) > 0
}

/** An entry without an instant counts as new: nothing is deleted or taken over for its age. */
function instantOf(modified: Date | undefined): number {
  const at = modified?.getTime() ?? Number.NaN
  return Number.isNaN(at) ? Number.POSITIVE_INFINITY : at
}

/** Decodes the keys of a listing. */
export function keyOfIn({
  EncodingType,
}: {
  readonly EncodingType?: string | undefined
}): (text: string) => string {
  return EncodingType === 'url' ? decodedKey : (key) => key
}

/** The SDK leaves it to its caller. Some stores write a space as `+`, others as `%20`. */
function decodedKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', '%20'))
  } catch {
    // Declared as encoded, and not: unchanged it can at least be reported.
    return key
  }
}
