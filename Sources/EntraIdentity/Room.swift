enum RoomEntraIdentity {}
