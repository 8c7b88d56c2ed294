import Exports
import JSON

extension PowerBIRequest {
    /// `powerBIReportConfiguration`: the pages, bookmarks and filters of a Power BI report.
    mutating func reportConfiguration(_ reader: inout ObjectReader) -> JSONValue {
        var members: [String: JSONValue] = [:]
        if var nested = reader.object("settings") { members["settings"] = settings(&nested) }
        if let elements = reader.array("pages", count: 1...1000) {
            if elements.count > Self.mostPages {
                reader.fault(
                    "pages",
                    "has \(elements.count) pages and visuals; Power BI takes at most \(Self.mostPages) in one export: make several"
                )
            }
            members["pages"] = .array(elements.map { page($0.value, at: $0.pointer) })
        }
        if let elements = reader.array("reportLevelFilters", count: 1...10) {
            if elements.count > 1 {
                reader.fault("reportLevelFilters", "can hold one filter only; join its expressions with \" and \"")
            }
            members["reportLevelFilters"] = .array(elements.map { filter($0.value, at: $0.pointer) })
        }
        if var nested = reader.object("defaultBookmark") { members["defaultBookmark"] = bookmark(&nested) }
        members["datasetToBind"] = reader.string("datasetToBind", length: 1...256).map { .string($0) }
        if let elements = reader.array("identities", count: 1...100) {
            members["identities"] = .array(elements.map { identity($0.value, at: $0.pointer, of: .powerBIReport) })
        }
        reader.finish()
        faults += reader.faults
        return .object(members)
    }

    private mutating func settings(_ reader: inout ObjectReader) -> JSONValue {
        var members: [String: JSONValue] = [:]
        members["locale"] = locale(of: &reader)
        members["includeHiddenPages"] = reader.bool("includeHiddenPages").map { .bool($0) }
        reader.finish()
        faults += reader.faults
        return .object(members)
    }

    private mutating func page(_ value: JSONValue, at pointer: String) -> JSONValue {
        var reader = ObjectReader(value, at: pointer)
        var members: [String: JSONValue] = [:]
        members["pageName"] = reader.requiredString("pageName", length: 1...256).map { .string($0) }
        members["visualName"] = reader.string("visualName", length: 1...256).map { .string($0) }
        if var nested = reader.object("bookmark") { members["bookmark"] = bookmark(&nested) }
        reader.finish()
        faults += reader.faults
        return .object(members)
    }

    /// A bookmark by its name or as a captured state, never both.
    private mutating func bookmark(_ reader: inout ObjectReader) -> JSONValue {
        var members: [String: JSONValue] = [:]
        members["name"] = reader.string("name", length: 1...256).map { .string($0) }
        members["state"] = reader.string("state", length: 1...Self.longestText).map { .string($0) }
        reader.finish()
        faults += reader.faults
        if reader.has("name"), reader.has("state") {
            faults.append(FieldFault(reader.pointer, "must have name or state, not both"))
        } else if !reader.has("name"), !reader.has("state"), reader.faults.isEmpty {
            faults.append(FieldFault(reader.pointer, "must have name or state"))
        }
        return .object(members)
    }

    private mutating func filter(_ value: JSONValue, at pointer: String) -> JSONValue {
        var reader = ObjectReader(value, at: pointer)
        var members: [String: JSONValue] = [:]
        if let text = reader.requiredString("filter", length: 1...Self.longestText) {
            members["filter"] = .string(text)
            if let fault = PowerBIFilter.fault(of: text) { reader.fault("filter", fault) }
        }
        reader.finish()
        faults += reader.faults
        return .object(members)
    }
}

/// The filter text, as far as it can be judged without the model (`Upstream-PowerBI, Filters`).
enum PowerBIFilter {
    static let mostExpressions = 10

    /// What is wrong with a filter; nil when nothing is seen.
    static func fault(of text: String) -> String? {
        let start = text.lowercased()
        if start.hasPrefix("?") || start.hasPrefix("filter=") || start.hasPrefix("$filter=") {
            return "must be the filter itself, without \"?filter=\": Table/Field eq 'value'"
        }
        var isQuoted = false
        var outside = ""
        for character in text {
            if character == "'" {
                isQuoted.toggle()
            } else if !isQuoted {
                outside.append(character)
            }
        }
        if isQuoted { return "has a quote that is not closed; a quote within a value is written twice" }
        let words = outside.lowercased().split { $0 == " " || $0 == "(" || $0 == ")" }
        if words.contains("or") || words.contains("not") {
            return "can join expressions with \"and\" only; for several values use Table/Field in ('a','b')"
        }
        let expressions = words.filter { $0 == "and" }.count + 1
        if expressions > mostExpressions {
            return "has \(expressions) expressions; Power BI takes at most \(mostExpressions)"
        }
        return nil
    }
}
