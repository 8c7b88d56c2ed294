import Exports
import JSON

/// What the caller may ask for: Microsoft's `ExportReportRequest` with the report's address, checked to the last member.
///
/// Power BI ignores members that it does not know, and a report went out without row-level security that way
/// (`Upstream-PowerBI, Request body`): here nothing unknown passes.
struct PowerBIRequest {
    /// What is wrong, pointers relative to the options object.
    var faults: [FieldFault] = []
    /// The tokens found in `identityBlob`, by their pointers.
    var secrets: [String: Secret] = [:]

    /// More exports than this in one job, and Power BI cancels it (`Upstream-PowerBI, Limits`).
    static let mostPages = 50
    /// The longest text taken where Microsoft names no limit.
    static let longestText = 65_536

    /// Checks the options and brings them into normal form. Throws `invalid` with every fault.
    static func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport {
        var request = PowerBIRequest()
        let source = request.source(options)
        guard request.faults.isEmpty else { throw .invalid(request.faults) }
        let format = source["format"]?.string ?? ""
        let report = source["reportId"]?.string ?? ""
        return ValidatedExport(
            plan: ExportPlan(
                source: source,
                suggestedName: "Power BI report \(report) as \(format)",
                needsSecrets: !request.secrets.isEmpty
            ),
            secrets: request.secrets
        )
    }

    private mutating func source(_ options: JSONValue) -> JSONValue {
        var reader = ObjectReader(options)
        var members: [String: JSONValue] = [:]
        members["groupId"] = reader.uuid("groupId").map { .string($0) }
        members["reportId"] = reader.requiredUUID("reportId").map { .string($0) }
        let declared = reader.choice("reportType", among: PowerBIReportType.names)
            .flatMap { PowerBIReportType(rawValue: $0) }
        let format = reader.requiredChoice("format", among: PowerBIFormat.names)
            .flatMap { PowerBIFormat.named($0) }
        let type = reportType(declared: declared, format: format, in: &reader)
        members["reportType"] = type.map { .string($0.rawValue) }
        members["format"] = format.map { .string($0.name) }
        if var nested = reader.object(PowerBIReportType.powerBIReport.configuration) {
            members[PowerBIReportType.powerBIReport.configuration] = reportConfiguration(&nested)
        }
        if var nested = reader.object(PowerBIReportType.paginatedReport.configuration) {
            members[PowerBIReportType.paginatedReport.configuration] = paginatedConfiguration(&nested, format: format)
        }
        reader.finish()
        faults = reader.faults + faults
        return .object(members)
    }

    /// The kind of report: as declared, else as its configuration tells, else as the format leaves no choice.
    private mutating func reportType(
        declared: PowerBIReportType?,
        format: PowerBIFormat?,
        in reader: inout ObjectReader
    ) -> PowerBIReportType? {
        let configured = PowerBIReportType.allCases.filter { reader.has($0.configuration) }
        if configured.count > 1 {
            reader.fault(
                PowerBIReportType.paginatedReport.configuration,
                "must not be given together with powerBIReportConfiguration: a report is of one kind"
            )
            return declared
        }
        if let declared, let other = configured.first, other != declared {
            reader.fault(
                other.configuration,
                "is for a \(other.noun), but reportType is \(declared.rawValue); use \(declared.configuration)"
            )
            return declared
        }
        guard let type = declared ?? configured.first else {
            return format?.reportTypes.count == 1 ? format?.reportTypes.first : nil
        }
        if let format, !format.reportTypes.contains(type) { reader.fault("format", Self.mismatch(format, type)) }
        return type
    }

    /// Why a report of this kind cannot have this format, and which it can.
    static func mismatch(_ format: PowerBIFormat, _ type: PowerBIReportType) -> String {
        let possible = PowerBIFormat.names(for: type).joined(separator: ", ")
        switch type {
        case .powerBIReport:
            return "\(format.name) is not a format of a Power BI report: it can be exported as \(possible); "
                + "data formats such as CSV, XLSX and XML are for paginated reports only"
        case .paginatedReport:
            return "\(format.name) is not a format of a paginated report: it can be exported as \(possible); "
                + "for pictures use IMAGE with formatSettings.OutputFormat"
        }
    }
}

extension PowerBIRequest {
    /// An array of texts.
    mutating func strings(
        _ name: String,
        of reader: inout ObjectReader,
        count: ClosedRange<Int> = 1...100,
        length: ClosedRange<Int> = 1...256,
        without excluded: Character? = nil
    ) -> JSONValue? {
        guard let elements = reader.array(name, count: count) else { return nil }
        for (value, pointer) in elements {
            guard let text = value.string, length.contains(text.unicodeScalars.count) else {
                faults.append(
                    FieldFault(pointer, "must be a string of \(length.lowerBound) to \(length.upperBound) characters")
                )
                continue
            }
            if text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
                faults.append(FieldFault(pointer, "must not hold control characters"))
            }
            if let excluded, text.contains(excluded) {
                faults.append(FieldFault(pointer, "must not contain \"\(excluded)\""))
            }
        }
        return .array(elements.map(\.value))
    }

    /// A language tag.
    mutating func locale(of reader: inout ObjectReader) -> JSONValue? {
        guard let text = reader.string("locale", length: 2...35) else { return nil }
        guard text.utf8.allSatisfy({ Self.isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }) else {
            reader.fault("locale", "must be a language tag such as en-us")
            return nil
        }
        return .string(text)
    }

    /// Whether `byte` is an ASCII letter or digit.
    static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
}
