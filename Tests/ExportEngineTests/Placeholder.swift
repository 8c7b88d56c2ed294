import Testing
@Test func placeholderExportEngine() {}
