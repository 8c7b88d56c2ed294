enum RoomGatewayServer {}
