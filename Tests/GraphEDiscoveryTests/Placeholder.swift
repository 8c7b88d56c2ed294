import Testing
@Test func placeholderGraphEDiscovery() {}
