import Exports
import JSON

/// What a caller may ask of the memory provider.
enum MemoryRequest {
    static let formats = ["csv", "parquet"]
    static let keyPointer = "/accessKey"

    static func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport {
        var reader = ObjectReader(options)
        let format = reader.requiredChoice("format", among: formats)
        let title = reader.string("title", length: 1...64)
        let key = reader.string("accessKey")
        var source: [String: JSONValue] = [:]
        source["format"] = format.map { .string($0) }
        source["title"] = title.map { .string($0) }
        source["selection"] = selection(&reader)
        reader.finish()
        guard reader.faults.isEmpty else { throw .invalid(reader.faults) }
        return ValidatedExport(
            plan: ExportPlan(source: .object(source), suggestedName: title ?? "memory", needsSecrets: key != nil),
            secrets: key.map { [keyPointer: Secret($0)] } ?? [:]
        )
    }

    private static func selection(_ reader: inout ObjectReader) -> JSONValue? {
        guard var nested = reader.object("selection") else { return nil }
        let field = nested.requiredString("field")
        nested.finish()
        reader.adopt(nested.faults)
        return field.map { ["field": .string($0)] }
    }

    static let schema: JSONValue = .object([
        "type": "object",
        "required": ["format"],
        "additionalProperties": false,
        "properties": .object([
            "format": .object(["type": "string", "enum": .array(formats.map { .string($0) })]),
            "title": ["type": "string", "minLength": 1, "maxLength": 64],
            "accessKey": ["type": "string", "writeOnly": true],
            "selection": [
                "type": "object", "required": ["field"], "additionalProperties": false,
                "properties": ["field": ["type": "string"]],
            ],
        ]),
    ])
}
