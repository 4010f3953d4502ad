const URL_START = /^\s*([a-z][a-z0-9+.-]*):\/\/(.*)$/isu
const SECRET_PARAMETER = /[?&](?:password|sslpassword|passwd|token|access_token|api_?key)=([^&#]*)/giu

/**
 * The secrets in the text of a URL: its password, and the whole text. A password whose `@`, `/`, `#` or `?` is not percent-encoded makes another URL of the text,
 * so that all that stands before the last `@` is taken for a secret as well.
 *
 * @returns nothing for a text that is no URL, or one without credentials
 */
export function urlSecrets(text: string): readonly string[] {
  const [, scheme = '', rest = ''] = URL_START.exec(text) ?? []
  if (scheme === '') return []
  const parameters = [...text.matchAll(SECRET_PARAMETER)].map(([, value = '']) => value)
  const found = [...parsedSecrets(text), ...writtenSecrets(scheme, rest), ...parameters].filter(
    (each) => each !== '',
  )
  return found.length === 0 ? [] : [...new Set([...found, text])]
}

/** What such a text shows openly: its user and its host. */
export function urlPublic(text: string): readonly string[] {
  if (!URL_START.test(text) || !URL.canParse(text)) return []
  const { username, hostname, pathname, protocol, password } = new URL(text)
  const user = password === '' && isWeb(protocol.slice(0, -1)) ? '' : username
  return [user, hostname, ...hostname.split('.'), ...pathname.split('/'), protocol.slice(0, -1)].filter(
    (each) => each !== '',
  )
}

function parsedSecrets(text: string): readonly string[] {
  if (!URL.canParse(text)) return []
  const { username, password, protocol } = new URL(text)
  return password === '' && isWeb(protocol.slice(0, -1)) ? [username] : [password]
}

function writtenSecrets(scheme: string, rest: string): readonly string[] {
  const userinfo = rest.slice(0, Math.max(0, rest.lastIndexOf('@')))
  const colon = userinfo.indexOf(':')
  if (colon >= 0) return [userinfo.slice(colon + 1)]
  return isWeb(scheme.toLowerCase()) && !userinfo.includes('/') ? [userinfo] : []
}

/** A user without a password is a token there; the user of a database is none. */
function isWeb(scheme: string): boolean {
  return scheme === 'http' || scheme === 'https'
}
