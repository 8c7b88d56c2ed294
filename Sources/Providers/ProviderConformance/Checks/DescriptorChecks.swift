import Exports
import JSON

extension Examination {
    /// The descriptor can be shown to a client as it is.
    func descriptorIsSound() async throws {
        let descriptor = type(of: try await harness.makeProvider()).descriptor
        let capabilities = descriptor.capabilities
        expect(
            isName(descriptor.id.rawValue, allowing: "-"),
            "an id of lower-case letters, digits and hyphens",
            found: descriptor.id
        )
        expect(
            descriptor.optionsMember.first?.isLowercase == true
                && isName(descriptor.optionsMember.lowercased(), allowing: ""),
            "an options member in camelCase",
            found: descriptor.optionsMember
        )
        expect(!descriptor.title.isEmpty, "a title", found: "none")
        expect(!descriptor.description.isEmpty, "a description", found: "none")
        expect(
            capabilities.minimumPollInterval > .zero,
            "a minimum poll interval above zero",
            found: capabilities.minimumPollInterval
        )
        if let budget = capabilities.requestBudget {
            expect(budget.count > 0 && budget.per > .zero, "a request budget above zero", found: budget)
        }
        if let lifetime = capabilities.downloadLifetime {
            expect(lifetime > .zero, "a download lifetime above zero", found: lifetime)
        }
        expect(
            Set(capabilities.formats).count == capabilities.formats.count,
            "formats that differ",
            found: capabilities.formats
        )
        expect(
            descriptor.optionsSchema["type"] == "object",
            "a schema of type object",
            found: descriptor.optionsSchema["type"] as Any
        )
    }

    private func isName(_ text: String, allowing further: String) -> Bool {
        !text.isEmpty
            && text.unicodeScalars.allSatisfy {
                ("a"..."z").contains($0) || ("0"..."9").contains($0) || further.unicodeScalars.contains($0)
            }
    }

    /// Every member that is accepted stands in the schema, every format in one of its lists.
    func schemaDescribesTheOptions() async throws {
        let descriptor = type(of: try await harness.makeProvider()).descriptor
        let schema = OptionsSchema(descriptor.optionsSchema)
        for options in [harness.options()] + harness.furtherOptions {
            for pointer in schema.undescribed(in: options) {
                report("the schema describes every accepted member", found: "nothing on \(pointer)")
            }
        }
        let formats = Set(descriptor.capabilities.formats.map { JSONValue.string($0) })
        if !formats.isEmpty {
            expect(
                schema.lists.contains { formats.isSubset(of: $0) },
                "the schema lists the declared formats",
                found: "no enum with all of \(descriptor.capabilities.formats)"
            )
        }
    }
}
