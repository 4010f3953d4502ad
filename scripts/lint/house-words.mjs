// Words of which there is a plainer one: the standard term of the field, by CONTRIBUTING.md. Each entry is what is found, and what to write instead.
export const WORDS = [
  [/\bmend(?:s|ed|ing)?\b/iu, 'fix, repair'],
  [/\banew\b/iu, 'again'],
  [/\bstints?\b/iu, 'attempt key, attempt object'],
  [/\bdoorbells?\b/iu, 'wake signal'],
  [/\bstrays?\b/iu, 'foreign, unknown'],
  [/\bstrangers?\b/iu, 'third party, foreign, unknown'],
  [/\bhomeless\b/iu, 'namespace missing, without a place'],
  [/\bhopeful(?:ly)?\b/iu, 'optimistic'],
  [/\bcautious(?:ly)?\b/iu, 'checked'],
  [/\bdear(?:er|est)?\b/iu, 'expensive'],
  [/\b(?:no|some)body\b/iu, 'no process, another process, the caller, an operator'],
  [/\bwho(?:m)?ever\b/iu, 'the caller, the holder, the process that …'],
  [/\bby hand\b/iu, 'manually'],
  [/\btold of\b|\btells? of\b/iu, 'logged, reported'],
  [/\blook(?:s|ed|ing)? away\b/iu, 'ignore'],
  [/\blets? (?:it|them|that|this) through\b/iu, 'accept, allow, pass on'],
  [/\bshelv(?:e|es|ed|ing)\b/iu, 'set aside'],
  [/\bso many (?:ms|milliseconds|seconds|bytes)\b/iu, 'N ms, N bytes'],
  [/\brefund(?:s|ed)?\b/iu, 'uncounted, countAttempt'],
  [/\brelease polic(?:y|ies)\b/iu, 'dispatch policy'],
]

/** Identifiers that old code had, and what they are called now. */
export const NAMES = [
  [/stint/iu, 'attempt key, attempt object'],
  [/doorbell/iu, 'wake signal'],
  [/^mend|Mend(?:ed|s)?(?![a-z])|mended/u, 'repair'],
  [/stray/iu, 'foreign'],
  [/hopeful/iu, 'optimistic'],
  [/refunds?(?![a-z])/iu, 'uncounted, countAttempt'],
]
