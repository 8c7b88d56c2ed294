import Exports
import JSON

/// What the caller may ask for: Microsoft's `deviceManagementExportJob`, as far as it is a request
/// (`Upstream-Intune, Request body`).
enum IntuneRequest {
    /// The members of the options, which are those of the request body too.
    static let reportName = "reportName"
    static let filter = "filter"
    static let select = "select"
    static let format = "format"
    static let localizationType = "localizationType"

    /// The longest report name and filter, in characters.
    static let longestText = 2000
    /// The most columns, and the longest name of one.
    static let mostColumns = 256
    static let longestColumn = 1000
    /// The enumeration has `pdf` too, which no page offers.
    static let formats = ["csv", "json"]
    static let localizationTypes = ["localizedValuesAsAdditionalColumn", "replaceLocalizableValues"]

    /// The reports that Microsoft's list marks as having a required filter, and its column (`Upstream-Intune, Reports`).
    static let requiredColumns = [
        "AppInvByDevice": "DeviceId",
        "DevicesByAppInv": "ApplicationKey",
        "DeviceInstallStatusByApp": "ApplicationId",
        "UserInstallStatusAggregateByApp": "ApplicationId",
        "FeatureUpdateDeviceState": "PolicyId",
        "DeviceFailuresByFeatureUpdatePolicy": "PolicyId",
        "QualityUpdateDeviceStatusByPolicy": "PolicyId",
        "QualityUpdateDeviceErrorsByPolicy": "PolicyId",
        "DeviceRunStatesByProactiveRemediation": "PolicyId",
    ]

    /// Checks the options; the normal form is the request body. Throws `invalid` with every fault.
    static func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport {
        var reader = ObjectReader(options)
        var members: [String: JSONValue] = [:]
        let report = name(&reader)
        let conditions = reader.string(filter, length: 1...longestText)
        members[reportName] = report.map { .string($0) }
        members[filter] = conditions.map { .string($0) }
        if let report { checkFilter(conditions, of: report, &reader) }
        members[select] = columns(&reader)
        members[format] = .string(reader.choice(format, among: formats) ?? formats[0])
        members[localizationType] = reader.choice(localizationType, among: localizationTypes).map { .string($0) }
        reader.finish()
        guard reader.faults.isEmpty, let report else { throw .invalid(reader.faults) }
        return ValidatedExport(
            plan: ExportPlan(source: .object(members), suggestedName: "Intune report \(report.prefix(128))")
        )
    }

    private static func name(_ reader: inout ObjectReader) -> String? {
        guard let name = reader.requiredString(reportName, length: 1...longestText) else { return nil }
        guard !name.contains(where: \.isWhitespace) else {
            reader.fault(reportName, "must be the name of a report, such as DeviceCompliance, without white space")
            return nil
        }
        return name
    }

    /// Intune refuses these reports without the filter, and says so in words only (`Upstream-Intune, Errors`).
    private static func checkFilter(_ conditions: String?, of report: String, _ reader: inout ObjectReader) {
        guard let (name, column) = requiredColumns.first(where: { $0.key.lowercased() == report.lowercased() }) else {
            return
        }
        let example = "(\(column) eq '…')"
        if !reader.has(filter) {
            reader.fault(filter, "is required for the report \(name): give the \(column), as in \(example)")
        } else if let conditions, !conditions.lowercased().contains(column.lowercased()) {
            reader.fault(filter, "must have a condition on \(column) for the report \(name), as in \(example)")
        }
    }

    private static func columns(_ reader: inout ObjectReader) -> JSONValue? {
        guard let elements = reader.array(select, count: 1...mostColumns) else { return nil }
        var faults: [FieldFault] = []
        var seen: Set<String> = []
        for (value, pointer) in elements {
            guard let text = value.string, (1...longestColumn).contains(text.unicodeScalars.count) else {
                faults.append(FieldFault(pointer, "must be the name of a column, of 1 to \(longestColumn) characters"))
                continue
            }
            if text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
                faults.append(FieldFault(pointer, "must not hold control characters"))
            } else if !seen.insert(text).inserted {
                faults.append(FieldFault(pointer, "names a column that stands there already; leave it out"))
            }
        }
        reader.adopt(faults)
        return .array(elements.map(\.value))
    }
}
