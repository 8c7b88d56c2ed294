import Exports
import JSON
import ScriptedHost
import Testing

@testable import PowerBI

let recordings = Recordings(.module)

let reportID = "5b218778-e7a5-4d73-8187-f10824047715"
let groupID = "f089354e-8366-4e18-aea3-4cb4a3a50b48"

/// Options that are valid, with members of their own.
func options(_ members: [String: JSONValue]) -> JSONValue {
    .object(["groupId": .string(groupID), "reportId": .string(reportID)].merging(members) { $1 })
}

/// The faults of options that must be refused.
func faults(_ options: JSONValue, _ location: SourceLocation = #_sourceLocation) -> [FieldFault] {
    do {
        _ = try PowerBIRequest.validate(options)
        Issue.record("these options passed", sourceLocation: location)
        return []
    } catch {
        #expect(error.code == .invalid, sourceLocation: location)
        #expect(error.problem == .invalidExport, sourceLocation: location)
        return error.faults
    }
}
