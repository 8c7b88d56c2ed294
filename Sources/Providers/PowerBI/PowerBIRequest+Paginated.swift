import Exports
import JSON

extension PowerBIRequest {
    /// `paginatedReportConfiguration`: the parameters and the device information of a paginated report.
    ///
    /// `locale` is not in the swagger of October 2024, but in the later reference page (`Upstream-PowerBI, Request body`).
    mutating func paginatedConfiguration(_ reader: inout ObjectReader, format: PowerBIFormat?) -> JSONValue {
        var members: [String: JSONValue] = [:]
        if var nested = reader.object("formatSettings") {
            members["formatSettings"] = formatSettings(&nested, format: format)
        }
        if let elements = reader.array("parameterValues", count: 0...1000) {
            members["parameterValues"] = .array(elements.map { parameter($0.value, at: $0.pointer) })
        }
        if let elements = reader.array("identities", count: 1...100) {
            if elements.count > 1 {
                reader.fault("identities", "must hold exactly one identity for a paginated report")
            }
            members["identities"] = .array(elements.map { identity($0.value, at: $0.pointer, of: .paginatedReport) })
        }
        members["locale"] = locale(of: &reader)
        reader.finish()
        faults += reader.faults
        return .object(members)
    }

    /// Keys of the format, and every value a string, numbers and booleans too.
    private mutating func formatSettings(_ reader: inout ObjectReader, format: PowerBIFormat?) -> JSONValue {
        var members: [String: JSONValue] = [:]
        for (name, value) in reader.takeAllMembers() {
            if let format, let fault = Self.fault(ofSetting: name, for: format) { reader.fault(name, fault) }
            guard case .string(let text) = value else {
                reader.fault(name, "must be a string, also for numbers and booleans: \(Self.quoted(value))")
                continue
            }
            guard text.unicodeScalars.count <= 1024 else {
                reader.fault(name, "must have at most 1024 characters")
                continue
            }
            guard let allowed = PowerBIFormat.settingValues[name] else {
                members[name] = .string(text)
                continue
            }
            if let match = allowed.first(where: { $0.lowercased() == text.lowercased() }) {
                members[name] = .string(match)
            } else {
                reader.fault(name, "must be one of \(allowed.joined(separator: ", "))")
            }
        }
        faults += reader.faults
        return .object(members)
    }

    private static func fault(ofSetting name: String, for format: PowerBIFormat) -> String? {
        if format.settings.contains(name) { return nil }
        if name.lowercased().hasPrefix("rdl:") { return "must be written without the prefix \"rdl:\"" }
        let suggestion = ObjectReader.suggestion(for: name, among: format.settings)
        if format.hasFurtherSettings {
            guard name.utf8.allSatisfy(isLetterOrDigit), !name.isEmpty, name.utf8.count <= 64 else {
                return "is not the name of a setting"
            }
            return suggestion.isEmpty ? nil : "is not a setting of \(format.name)" + suggestion
        }
        guard !format.settings.isEmpty else { return "cannot be set: \(format.name) has no settings" }
        return "is not a setting of \(format.name)\(suggestion); known are \(format.settings.joined(separator: ", "))"
    }

    /// How a value is to be written instead.
    private static func quoted(_ value: JSONValue) -> String {
        switch value {
        case .bool(let flag): "write \"\(flag)\""
        case .integer(let number): "write \"\(number)\""
        case .number(let number): "write \"\(number)\""
        default: "write it in quotes"
        }
    }

    /// One value of one parameter; a parameter with several values comes several times.
    private mutating func parameter(_ value: JSONValue, at pointer: String) -> JSONValue {
        var reader = ObjectReader(value, at: pointer)
        var members: [String: JSONValue] = [:]
        members["name"] = reader.requiredString("name", length: 1...256).map { .string($0) }
        switch reader.value("value") {
        case .string(let text) where text.unicodeScalars.count <= Self.longestText: members["value"] = .string(text)
        case .string: reader.fault("value", "must have at most \(Self.longestText) characters")
        case .none where reader.has("value"): break
        case .none: reader.fault("value", "is required")
        case .array: reader.fault("value", "must be a string; for several values repeat the parameter's name")
        case .some(let other):
            reader.fault("value", "must be a string, also for numbers and booleans: \(Self.quoted(other))")
        }
        reader.finish()
        faults += reader.faults
        return .object(members)
    }

    /// `EffectiveIdentity`: who the report is rendered for. The token in `identityBlob` is kept out of the normal form;
    /// the empty object that stays says that there was one.
    mutating func identity(_ value: JSONValue, at pointer: String, of type: PowerBIReportType) -> JSONValue {
        var reader = ObjectReader(value, at: pointer)
        var members: [String: JSONValue] = [:]
        if let name = reader.requiredString("username", length: 1...256) {
            members["username"] = .string(name)
            if name.contains(where: \.isWhitespace) { reader.fault("username", "must not contain spaces") }
        }
        members["roles"] = strings("roles", of: &reader, count: 1...50, length: 1...50, without: ",")
        members["datasets"] = strings("datasets", of: &reader)
        if type == .paginatedReport {
            members["reports"] = strings("reports", of: &reader)
        } else if reader.has("reports") {
            _ = reader.value("reports")
            reader.fault("reports", "is for paginated reports only")
        }
        members["customData"] = reader.string("customData", length: 1...Self.longestText).map { .string($0) }
        members["auditableContext"] = reader.string("auditableContext", length: 1...1024).map { .string($0) }
        if var blob = reader.object("identityBlob") {
            if let token = blob.requiredString("value", length: 1...Self.longestText) {
                secrets[blob.pointer + "/value"] = Secret(token)
            }
            blob.finish()
            faults += blob.faults
            members["identityBlob"] = .object([:])
        }
        reader.finish()
        faults += reader.faults
        return .object(members)
    }
}
