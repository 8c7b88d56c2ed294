import Testing
@Test func placeholderExportLedger() {}
