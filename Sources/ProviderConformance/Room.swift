enum RoomProviderConformance {}
