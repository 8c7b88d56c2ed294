import Exports
import HTTPFields

extension EntityTag {
    /// The weak entity tag of an export: its id and revision, which counts everything a client can see but `observedAt`.
    init(of export: Export) {
        self.init(opaque: "\(export.id).\(export.revision)\(export.stale ? ".stale" : "")", isWeak: true)
    }
}
