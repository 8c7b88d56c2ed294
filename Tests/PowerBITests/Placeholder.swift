import Testing
@Test func placeholderPowerBI() {}
