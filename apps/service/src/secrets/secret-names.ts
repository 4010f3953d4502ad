const SECRET_NAME =
  /(?:token|secret|passw(?:or)?d|passphrase|credentials?|(?:api|access|secret|private|signing|auth|account)_?key(?:_?id)?|(?:^|_)(?:pass|pwd|auth)|authorization|bearer|cookie)$/u

/** Whether a setting or variable of this name holds a secret, such as `sessionToken` or `AWS_SECRET_ACCESS_KEY`; `tokenFile` names a file and doesn't. */
export function isSecretName(name: string): boolean {
  const words = name.replaceAll(/(?<=[a-z0-9])(?=[A-Z])|[-.\s]/gu, '_')
  return SECRET_NAME.test(words.toLowerCase())
}
