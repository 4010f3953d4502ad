/** One text for all errors: naming the character would reveal part of the password. */
const NOT_ENCODED =
  'cannot be parsed as postgres://user:password@host:port/database. Percent-encode characters of the user, the password and the database that have a meaning in a ' +
  'URL: @ as %40, : as %3A, / as %2F, # as %23, ? as %3F, % as %25, a space as %20. Or omit the password and set PGPASSWORD. ' +
  'Nothing was sent'

/** Parameters that may contain an unencoded @: those of the driver and of libpq. */
const PARAMETER =
  /^(?:user|password|dbname|database|host|hostaddr|port|options|application_name|fallback_application_name|ssl[a-z]*|client_encoding|encoding|[a-z]+_timeout|keepalives[a-z_]*|passfile|service|target_session_attrs|channel_binding|gssencmode|krbsrvname|replication|uselibpqcompat)=/u

/**
 * Checks a `postgres://` URL. A password with a character that should be percent-encoded often makes another
 * valid URL, whose host is part of the password and would be sent to the DNS.
 *
 * @returns what is wrong, without any part of the URL, or `undefined`
 */
export function wrongPostgresUrl(given: string): string | undefined {
  // A trailing line end, as from a file, is not part of a password.
  const url = given.trimEnd()
  return URL.canParse(url) && isPlain(url) && isWellParted(url) && isReadable(new URL(url))
    ? undefined
    : NOT_ENCODED
}

/** The URL standard silently drops line ends and tabs, and encodes spaces. */
function isPlain(url: string): boolean {
  // oxlint-disable-next-line no-control-regex -- it detects control characters
  return !/[\s\u0000-\u001f\u007f#]/u.test(url)
}

function isWellParted(url: string): boolean {
  const [, authority = '', path = '', query = ''] = /^[a-z]+:\/\/([^/?]*)([^?]*)\??(.*)$/u.exec(url) ?? []
  const parameters = query.split('&').filter((each) => each.includes('@'))
  return (
    authority.split('@').length <= 2 &&
    !path.includes('@') &&
    parameters.every((each) => PARAMETER.test(each.toLowerCase()))
  )
}

/** Its parts decode, and the host is a name, an address or the directory of a socket. */
function isReadable({ username, password, pathname, hostname }: URL): boolean {
  try {
    // Used below: a bundler drops a call of `decodeURIComponent` that only throws.
    const parts = [username, password, pathname].map((part) => decodeURIComponent(part))
    return (
      parts.length > 0 &&
      /^(?:\[[0-9a-f:.]+\]|\/.*|[\p{L}\p{M}\p{N}._-]*)$/u.test(decodeURIComponent(hostname))
    )
  } catch {
    // A percent sign that was not encoded itself.
    return false
  }
}
