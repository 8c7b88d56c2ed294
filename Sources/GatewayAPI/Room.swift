enum RoomGatewayAPI {}
