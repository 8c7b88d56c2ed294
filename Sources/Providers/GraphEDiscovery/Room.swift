enum RoomGraphEDiscovery {}
