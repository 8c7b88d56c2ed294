import Testing
@Test func placeholderSystemCrypto() {}
