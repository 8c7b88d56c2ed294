import Exports
import JSON

/// The body of `PUT /exports/{id}/submission`: the outcome of a start.
struct SubmissionBody: Sendable {
    var decision: SubmissionDecision

    /// Reads a body. Throws `malformedRequest` for what is not JSON, and `invalidExport` with every fault.
    init(_ bytes: [UInt8]) throws(GatewayError) {
        var reader = ObjectReader(try JSONParser.document(bytes))
        let outcome = reader.requiredChoice("outcome", among: ["started", "notStarted", "abandoned"])
        let upstreamID = reader.string("upstreamId", length: 1...512)
        if outcome == "started", upstreamID == nil, !reader.has("upstreamId") {
            reader.fault("upstreamId", "is required with the outcome started: the id of the job at the upstream")
        }
        if let outcome, outcome != "started", reader.has("upstreamId") {
            reader.fault("upstreamId", "goes with the outcome started only")
        }
        reader.finish()
        guard reader.faults.isEmpty, let outcome else {
            throw GatewayError(.invalidExport, "The decision is not valid: see errors.", faults: reader.faults)
        }
        decision =
            switch outcome {
            case "started": .started(upstreamID: upstreamID ?? "")
            case "notStarted": .notStarted
            default: .abandoned
            }
    }
}

extension JSONParser {
    /// The whole body of a request. Throws `malformedRequest` naming the byte for what is not JSON.
    static func document(_ bytes: [UInt8]) throws(GatewayError) -> JSONValue {
        do {
            return try parse(bytes)
        } catch {
            throw GatewayError(
                .malformedRequest,
                bytes.isEmpty
                    ? "The body is empty; it must be a JSON object."
                    : "The body \(error.reason), at byte \(error.offset)"
                        + (error.pointer.isEmpty ? "." : " in \(error.pointer.prefix(256)).")
            )
        }
    }
}
