import Testing
@Test func placeholderExports() {}
