import Audit
import ExportLedger
import Exports
import Testing

@testable import ExportEngine
