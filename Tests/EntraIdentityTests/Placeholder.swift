import Testing
@Test func placeholderEntraIdentity() {}
