import { fileURLToPath } from 'node:url'

/**
 * The demo's command: prints the SHA-256 and the size of one file as JSON. The machine's own tool does it, since it starts in a
 * millisecond where Node takes a hundred, a thousand times over; where there is none, a small program of ours for Node does.
 * The path comes as an argument and is never part of the text.
 */
const SCRIPT = `
[ -e "$1" ] || {
  printf "can't read %s: ENOENT\\n" "$1" >&2
  exit 1
}
if command -v sha256sum > /dev/null; then
  sum=$(sha256sum < "$1") || exit
elif command -v shasum > /dev/null; then
  sum=$(shasum -a 256 < "$1") || exit
else
  exec "$2" "$3" "$1"
fi
size=$(wc -c < "$1") || exit
printf '{"sha256":"%s","size":%d}\\n' "\${sum%% *}" "$size"
`

/** As the process worker takes it: the file's path is the item's `body.path`. */
export function digestCommand(): string[] {
  // Beside the built command line.
  const digest = fileURLToPath(new URL('./digest.cjs', import.meta.url))
  const literals = [SCRIPT, 'sluice-digest', process.execPath, digest].map(escaped)
  const [script = '', name = '', node = '', program = ''] = literals
  return ['/bin/sh', '-c', script, name, '{body.path}', node, program]
}

/** Braces that are no placeholders. */
function escaped(text: string): string {
  return text.replaceAll('{', '{{').replaceAll('}', '}}')
}
