import Exports
import JSON

extension Examination {
    private var samples: [JSONValue] {
        [harness.options()] + harness.furtherOptions + (harness.secretOptions.map { [$0.options] } ?? [])
    }

    /// Validation makes no call and says the same each time.
    func validateIsPure() async throws {
        let provider = try await harness.makeProvider()
        let before = await harness.networkCalls()
        for options in samples {
            var plans: [ExportPlan] = []
            for _ in 0..<2 {
                plans.append(
                    try await must("valid options are accepted") { () throws(ProviderError) in
                        try provider.validate(options)
                    }
                    .plan
                )
            }
            expect(plans[0] == plans[1], "the same plan for the same options", found: plans)
            expect(plans[0].source.object != nil, "a source that is an object", found: plans[0].source)
            expect(!plans[0].suggestedName.isEmpty, "a suggested name", found: "none")
        }
        for invalid in harness.invalidOptions { _ = try? provider.validate(invalid.options) }
        let calls = await harness.networkCalls() - before
        expect(calls == 0, "no network call", found: "\(calls)")
    }

    /// Every fault is named by its pointer, and nothing of it is let pass.
    func validateFindsEveryFault() async throws {
        let provider = try await harness.makeProvider()
        for invalid in harness.invalidOptions {
            await refused(invalid.options, at: invalid.pointers, by: provider)
        }
        for value in [JSONValue.null, "text", 1, true, .array([])] { await refused(value, at: [""], by: provider) }
        for options in samples {
            for (name, value) in (options.object ?? [:]).sorted(by: { $0.key < $1.key }) {
                let pointer = JSONPointer.step(name)
                let wrong: JSONValue = if case .object = value { .array([]) } else { .object([:]) }
                await refused(options.setting(.null, at: pointer), at: [pointer], by: provider)
                await refused(options.setting(wrong, at: pointer), at: [pointer], by: provider)
            }
        }
    }

    /// A misspelled or invented member is refused by name, however deep it stands, and the nearest name is proposed.
    func unknownMembersAreRefused() async throws {
        let provider = try await harness.makeProvider()
        let schema = OptionsSchema(type(of: provider).descriptor.optionsSchema)
        for options in samples {
            for object in schema.closedObjects(in: options) {
                let pointer = object + "/conformanceUnknownMember"
                await refused(options.setting(true, at: pointer), at: [pointer], by: provider)
            }
            guard let name = (options.object ?? [:]).keys.sorted().first(where: { $0.count > 5 }) else { continue }
            let pointer = JSONPointer.step(name + "z")
            let faults = await refused(
                options.setting(nil, at: JSONPointer.step(name)).setting(options[name], at: pointer),
                at: [pointer],
                by: provider
            )
            expect(
                faults.contains { $0.pointer == pointer && $0.detail.contains("\"\(name)\"") },
                "the nearest name, \"\(name)\", is proposed for \"\(name)z\"",
                found: faults
            )
        }
    }

    @discardableResult
    private func refused(_ options: JSONValue, at pointers: Set<String>, by provider: any ExportProvider) async
        -> [FieldFault]
    {
        let what = "\(String(decoding: options.encoded(), as: UTF8.self).prefix(200))"
        let error = await mustThrow([.invalid], what) { () throws(ProviderError) in try provider.validate(options) }
        guard let error else { return [] }
        expect(
            pointers.isSubset(of: Set(error.faults.map(\.pointer))),
            "faults at \(pointers.sorted()) for \(what)",
            found: error.faults.map(\.pointer)
        )
        expect(error.faults.allSatisfy { !$0.detail.isEmpty }, "every fault is explained", found: error.faults)
        return error.faults
    }

    /// A secret goes beside the plan, never into it, and without it nothing is started.
    func secretsStayOutOfThePlan() async throws {
        guard let sample = harness.secretOptions else { return }
        let provider = try await harness.makeProvider()
        let valid = try await must("options with a secret are accepted") { () throws(ProviderError) in
            try provider.validate(sample.options)
        }
        expect(
            valid.secrets[sample.pointer] == Secret(sample.secret),
            "the secret by its pointer \(sample.pointer)",
            found: Array(valid.secrets.keys)
        )
        expect(valid.plan.needsSecrets, "a plan that needs secrets", found: "needsSecrets is false")
        expect(
            !String(reflecting: valid.plan).contains(sample.secret)
                && !String(decoding: valid.plan.source.encoded(), as: UTF8.self).contains(sample.secret),
            "a plan without the secret",
            found: "the secret in it"
        )
        let (jobs, calls) = (await harness.startedJobs(), await harness.networkCalls())
        let error = await mustThrow([.permanent], "a start without its secret") { () async throws(ProviderError) in
            try await provider.submit(valid.plan, secrets: [:], marker: marker(), context: harness.context)
        }
        if let error { expect(error.problem == .secretLost, "the problem secret-lost", found: error.problem) }
        let (jobsAfter, callsAfter) = (await harness.startedJobs(), await harness.networkCalls())
        expect(jobsAfter == jobs && callsAfter == calls, "no call without the secret", found: "\(callsAfter - calls)")
    }
}
