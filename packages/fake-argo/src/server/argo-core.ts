import { ArgoRefusal, errorAnswer, okAnswer, pageAnswer, streamRefusal, type ArgoAnswer } from './answer.js'
import {
  deleteWorkflow,
  resubmitWorkflow,
  resumeWorkflow,
  retryWorkflow,
  setWorkflow,
  shutDownWorkflow,
  suspendWorkflow,
} from '../operations/action-operations.js'
import {
  deleteArchivedWorkflow,
  getArchivedWorkflow,
  resubmitArchivedWorkflow,
  retryArchivedWorkflow,
} from '../operations/archive-operations.js'
import type { JsonObject } from '../argo-workflow.js'
import { createWorkflow, submitWorkflow } from '../operations/create-operations.js'
import { listArchivedWorkflows, listWorkflows } from '../operations/list-operations.js'
import { readLogQuery, type LogQuery } from '../streams/log-query.js'
import type { ArgoOperation } from './operation.js'
import type { ArgoParts, OperationContext } from '../operations/operation-context.js'
import {
  getInfo,
  getTemplate,
  getUserInfo,
  getVersion,
  getWorkflow,
  listTemplates,
} from '../operations/read-operations.js'
import type { Replica } from './replica.js'
import type { ArgoRequest } from './request.js'
import { readWatchQuery, type WatchQuery } from '../streams/watch-query.js'

type Plain = Exclude<ArgoOperation, Streamed | 'Page' | 'Unknown'>

/** The operations whose answer is a stream. */
type Streamed = 'WatchWorkflows' | 'WorkflowLogs'

/** Whether an operation is answered by a stream. */
export function isStreamed(operation: ArgoOperation): operation is Streamed {
  return operation === 'WatchWorkflows' || operation === 'WorkflowLogs'
}

const OPERATIONS: Readonly<Record<Plain, (context: OperationContext) => JsonObject>> = {
  SubmitWorkflow: submitWorkflow,
  CreateWorkflow: createWorkflow,
  ListWorkflows: listWorkflows,
  GetWorkflow: getWorkflow,
  DeleteWorkflow: deleteWorkflow,
  RetryWorkflow: retryWorkflow,
  ResubmitWorkflow: resubmitWorkflow,
  StopWorkflow: (context) => shutDownWorkflow(context, 'Stop'),
  TerminateWorkflow: (context) => shutDownWorkflow(context, 'Terminate'),
  SuspendWorkflow: suspendWorkflow,
  ResumeWorkflow: resumeWorkflow,
  SetWorkflow: setWorkflow,
  ListArchivedWorkflows: listArchivedWorkflows,
  GetArchivedWorkflow: getArchivedWorkflow,
  DeleteArchivedWorkflow: deleteArchivedWorkflow,
  RetryArchivedWorkflow: retryArchivedWorkflow,
  ResubmitArchivedWorkflow: resubmitArchivedWorkflow,
  ListWorkflowTemplates: (context) => listTemplates(context, 'WorkflowTemplate'),
  GetWorkflowTemplate: (context) => getTemplate(context, 'WorkflowTemplate'),
  ListClusterWorkflowTemplates: (context) => listTemplates(context, 'ClusterWorkflowTemplate'),
  GetClusterWorkflowTemplate: (context) => getTemplate(context, 'ClusterWorkflowTemplate'),
  ListCronWorkflows: (context) => listTemplates(context, 'CronWorkflow'),
  GetCronWorkflow: (context) => getTemplate(context, 'CronWorkflow'),
  GetInfo: getInfo,
  GetVersion: getVersion,
  GetUserInfo: getUserInfo,
}

/** The server without HTTP: parsed requests in, answers out, each atomic. */
export class ArgoCore {
  readonly parts: ArgoParts

  constructor(parts: ArgoParts) {
    this.parts = parts
  }

  /** Executes a request atomically. */
  apply(request: ArgoRequest, replica: Replica): ArgoAnswer {
    const { parts } = this
    parts.controller.catchUp()
    const { operation, path } = request
    if (path.includes('//')) return redirect(path)
    if (operation === 'Page') return pageAnswer
    try {
      if (operation === 'Unknown') throw new ArgoRefusal(12, 'Not Implemented')
      const caller = parts.access.callerOf(request.headers)
      if (isStreamed(operation)) throw new TypeError('A stream is not answered in one piece')
      return okAnswer(OPERATIONS[operation]({ parts, request, caller, replica }), parts.rules.version)
    } catch (error) {
      if (error instanceof ArgoRefusal) return errorAnswer(error.grpcCode, error.message)
      throw error
    }
  }

  /** Opens a watch, or refuses in the format of streams. */
  watch(request: ArgoRequest, replica: Replica): WatchQuery | ArgoAnswer {
    return this.#opened(request, replica, readWatchQuery)
  }

  /** The same for a log. */
  log(request: ArgoRequest, replica: Replica): LogQuery | ArgoAnswer {
    return this.#opened(request, replica, readLogQuery)
  }

  #opened<T>(request: ArgoRequest, replica: Replica, read: (context: OperationContext) => T): T | ArgoAnswer {
    const { parts } = this
    parts.controller.catchUp()
    try {
      const caller = parts.access.callerOf(request.headers)
      return read({ parts, request, caller, replica })
    } catch (error) {
      if (!(error instanceof ArgoRefusal)) throw error
      return streamRefusal(request.headers, error.grpcCode, error.message)
    }
  }
}

/** As Go does: an unclean path is redirected to the clean one. */
function redirect(path: string): ArgoAnswer {
  const location = path.replaceAll(/\/{2,}/g, '/')
  return {
    status: 301,
    headers: { 'content-type': 'text/html; charset=utf-8', location },
    body: `<a href="${location}">Moved Permanently</a>.\n\n`,
  }
}
