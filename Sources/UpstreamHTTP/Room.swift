enum RoomUpstreamHTTP {}
