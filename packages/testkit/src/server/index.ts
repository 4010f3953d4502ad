/** What the fake servers share: requests in flight, and checks of facts about the real servers. */
export { bodyOf, drop, headersOf, ServedRequests, settlement } from './served-requests.js'
export { brokenFact, check, same, sameMembers } from '../check.js'
