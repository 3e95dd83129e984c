"""An echo server by ASGI, for hypercorn, which speaks WebSocket over HTTP/2."""


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    await receive()  # websocket.connect
    await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][0], "headers": [(b"x-version", scope["http_version"].encode())]})
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            return
        if event.get("text") == "close":
            await send({"type": "websocket.close", "code": 4001, "reason": "bye"})
            return
        await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})
