"""usage: python_aiohttp.py client URL | server

An echo client or server with the package aiohttp.
"""

import asyncio
import sys

import aiohttp
from aiohttp import web


async def echo(socket):
    while True:
        message = await socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            if message.data == "close":
                await socket.close(code=4001, message="schöner Grund".encode())
            else:
                await socket.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.type is aiohttp.WSMsgType.PING:
            await socket.pong(message.data)
        elif message.type is aiohttp.WSMsgType.CLOSE:
            print("closed", message.data, message.extra, flush=True)
            await socket.close()
        elif message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR):
            return


async def client(url):
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(
            url, protocols=["chat"], compress=15, max_msg_size=0, autoclose=False
        ) as socket:
            await echo(socket)


async def handle(request):
    socket = web.WebSocketResponse(protocols=["chat"], max_msg_size=0, autoclose=False)
    await socket.prepare(request)
    await echo(socket)
    return socket


async def server():
    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("%s:%d" % runner.addresses[0], flush=True)
    await asyncio.Event().wait()


asyncio.run(client(sys.argv[2]) if sys.argv[1] == "client" else server())
