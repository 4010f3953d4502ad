/** What the fake servers have in common: the requests they have under way, and checks of a fact about the real one. */
export { bodyOf, drop, headersOf, ServedRequests, settlement } from './served-requests.js'
export { brokenFact, check, same, sameMembers } from '../check.js'
