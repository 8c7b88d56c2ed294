import Exports
import JSON

/// A provider as JSON: the schemas `Provider` and `ProviderList` of `openapi.yaml`.
enum ProviderDocument {
    /// The text of one provider.
    static func bytes(of provider: ConfiguredProvider, budgets: [BudgetStatus] = []) -> [UInt8] {
        JSONWriter.object { write(provider, budgets, to: &$0) }
    }

    /// The text of all of them.
    static func bytes(of providers: [ConfiguredProvider], budgets: [BudgetStatus] = []) -> [UInt8] {
        JSONWriter.object { writer in
            writer.name("value")
            writer.array(providers) { writer, provider in writer.object { write(provider, budgets, to: &$0) } }
        }
    }

    private static func write(
        _ provider: ConfiguredProvider,
        _ budgets: [BudgetStatus],
        to writer: inout JSONWriter
    ) {
        let descriptor = provider.descriptor
        writer.member("id", descriptor.id.rawValue)
        writer.member("title", descriptor.title)
        writer.member("description", descriptor.description)
        writer.member("connections", .array(provider.connections.map(JSONValue.string)))
        writer.member("optionsMember", descriptor.optionsMember)
        writer.member("optionsSchema", descriptor.optionsSchema)
        writer.member("capabilities", object: { write(descriptor.capabilities, to: &$0) })
        let own = budgets.filter { budget in
            budget.provider == descriptor.id && budget.connections.contains { provider.connections.contains($0) }
        }
        if !own.isEmpty {
            writer.name("budgets")
            writer.array(own) { writer, budget in
                writer.object { write(budget, of: provider.connections, to: &$0) }
            }
        }
        if let retirement = descriptor.retirement {
            writer.member(
                "retirement",
                object: { writer in
                    writer.member("retiredOn", retirement.retiredOn)
                    writer.member("detail", retirement.detail)
                }
            )
        }
    }

    /// Names of connections that the caller may not use are left out.
    private static func write(_ budget: BudgetStatus, of usable: [String], to writer: inout JSONWriter) {
        let connections = budget.connections.filter { usable.contains($0) }
        writer.member("connections", .array(connections.map(JSONValue.string)))
        writer.member("count", .integer(Int64(budget.budget.count)))
        writer.member("perSeconds", seconds(budget.budget.per))
        writer.member("limit", .integer(Int64(budget.limit)))
        writer.member("used", .integer(Int64(budget.used)))
        writer.member(
            "queueLength",
            object: { writer in
                for priority in CallPriority.allCases {
                    writer.member(priority.rawValue, .integer(Int64(budget.queueLength[priority, default: 0])))
                }
            }
        )
        writer.member("nextPlaceSeconds", seconds(budget.nextPlaceIn))
    }

    private static func write(_ capabilities: ProviderCapabilities, to writer: inout JSONWriter) {
        writer.member("cancel", .bool(capabilities.cancel))
        writer.member("progress", .bool(capabilities.progress))
        writer.member("listing", .bool(capabilities.listing))
        writer.member("batchObserve", .bool(capabilities.batchObserve))
        writer.member("reconcile", .bool(capabilities.reconcile))
        writer.member("rangeDownload", .bool(capabilities.rangeDownload))
        writer.member("multipleFiles", .bool(capabilities.multipleFiles))
        writer.member("resubmitIsHarmless", .bool(capabilities.resubmitIsHarmless))
        writer.member("delegatedOnly", .bool(capabilities.delegatedOnly))
        writer.member("minimumPollIntervalSeconds", seconds(capabilities.minimumPollInterval))
        if let budget = capabilities.requestBudget {
            writer.member(
                "requestBudget",
                object: { writer in
                    writer.member("count", .integer(Int64(budget.count)))
                    writer.member("perSeconds", seconds(budget.per))
                }
            )
        }
        writer.member("downloadLifetimeSeconds", capabilities.downloadLifetime.map(seconds))
        writer.member("formats", .array(capabilities.formats.map(JSONValue.string)))
    }

    private static func seconds(_ duration: Duration) -> JSONValue {
        let milliseconds = duration.milliseconds
        return milliseconds % 1000 == 0 ? .integer(milliseconds / 1000) : .number(Double(milliseconds) / 1000)
    }
}
