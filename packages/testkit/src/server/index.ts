/** What the fake servers share: requests in flight, and checks of facts about the real servers. */
export { bodyOf, drop, headersOf, ServedRequests, settlement } from './served-requests.js'
export { freePort } from './free-port.js'
export { RequestLog } from './request-log.js'
export { brokenFact, type ServerFact } from './server-fact.js'
export { check, same, sameMembers } from '../check.js'
