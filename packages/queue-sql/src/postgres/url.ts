/** One text for all of them: to say which character is in the way would say something of the password. */
const NOT_ENCODED =
  'can not be read as postgres://user:password@host:port/database. A character of the user, the password or the database that means something in a URL must ' +
  'be percent-encoded: @ as %40, : as %3A, / as %2F, # as %23, ? as %3F, % as %25, a blank as %20. Or leave the password out and set PGPASSWORD. ' +
  'Nothing was sent anywhere'

/** Parameters that may hold an @ as it is: those of the driver, and those of libpq. */
const PARAMETER =
  /^(?:user|password|dbname|database|host|hostaddr|port|options|application_name|fallback_application_name|ssl[a-z]*|client_encoding|encoding|[a-z]+_timeout|keepalives[a-z_]*|passfile|service|target_session_attrs|channel_binding|gssencmode|krbsrvname|replication|uselibpqcompat)=/u

/**
 * Why a `postgres://` URL can't mean what was written. A password with a character that should have been percent-encoded often makes another legal URL, whose host is
 * a part of the password, and that host would be asked for in the DNS.
 *
 * @returns a text that shows nothing of the URL, or `undefined`
 */
export function wrongPostgresUrl(given: string): string | undefined {
  // A line end behind it, as files have, is nobody's password.
  const url = given.trimEnd()
  return URL.canParse(url) && isPlain(url) && isWellParted(url) && isReadable(new URL(url))
    ? undefined
    : NOT_ENCODED
}

/** The URL standard drops line ends and tabs without a word, and encodes blanks. */
function isPlain(url: string): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
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

/** Its parts can be decoded, and the host is a name, an address, or the folder of a socket. */
function isReadable({ username, password, pathname, hostname }: URL): boolean {
  try {
    for (const part of [username, password, pathname]) decodeURIComponent(part)
    return /^(?:\[[0-9a-f:.]+\]|\/.*|[\p{L}\p{M}\p{N}._-]*)$/u.test(decodeURIComponent(hostname))
  } catch {
    // A percent sign that was not encoded itself.
    return false
  }
}
