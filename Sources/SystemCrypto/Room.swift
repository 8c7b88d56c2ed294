enum RoomSystemCrypto {}
