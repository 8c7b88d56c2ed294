/// The names of all attributes that spans have. The values are numbers, names from the configuration, fixed words, ids and hosts: what a
/// log line may have too. No attribute holds a query, a header field, a body, or the words of an upstream.
///
/// Those without `export_gateway.` are of OpenTelemetry's semantic conventions
/// (https://opentelemetry.io/docs/specs/semconv/http/http-spans, https://opentelemetry.io/docs/specs/semconv/database/database-spans).
public enum AttributeName: String, Sendable, CaseIterable {
    case dbSystem = "db.system.name"
    /// A fixed word, or the status of an answer that is an error.
    case errorType = "error.type"
    /// A method that a standard defines, or `_OTHER`.
    case requestMethod = "http.request.method"
    /// How often the request was sent before.
    case resendCount = "http.request.resend_count"
    case responseBodySize = "http.response.body.size"
    case responseStatus = "http.response.status_code"
    /// The route's pattern.
    case route = "http.route"
    case serverAddress = "server.address"
    case serverPort = "server.port"
    /// Without a query, and without a path where that may be a secret.
    case urlFull = "url.full"
    /// The route's pattern, with the export's id in it.
    case urlPath = "url.path"
    case urlScheme = "url.scheme"

    /// Seconds.
    case budgetWait = "export_gateway.budget.wait"
    case caller = "export_gateway.caller"
    /// What is sent as `client-request-id`.
    case clientRequestID = "export_gateway.client_request_id"
    case connection = "export_gateway.connection"
    case export = "export_gateway.export.id"
    case exportStatus = "export_gateway.export.status"
    case fileBytes = "export_gateway.download.bytes"
    case operation = "export_gateway.operation"
    case outcome = "export_gateway.outcome"
    case problem = "export_gateway.problem.code"
    case provider = "export_gateway.provider"
    case requestID = "export_gateway.request_id"
}

/// The names of the spans that stand for a step of an export's life, and of those below them that are no call upstream.
public enum SpanName: String, Sendable, CaseIterable {
    /// The export is stored: the root of its trace.
    case create = "export.create"
    /// It waits for its turn to be started.
    case queue = "export.queue"
    case start = "export.start"
    case poll = "export.poll"
    /// One poll for several exports, in a trace of its own.
    case pollTogether = "export.poll_together"
    /// The job of an unconfirmed start is looked for.
    case reconcile = "export.reconcile"
    case cancel = "export.cancel"
    /// The bytes of a file go to a client.
    case download = "export.download"
    /// A file is opened to be measured.
    case measure = "export.measure"
    case commit = "ledger.commit"
}
