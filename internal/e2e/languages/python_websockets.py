"""usage: python_websockets.py client URL | server

An echo client or server with the package websockets.
"""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(connection):
    try:
        while True:
            message = await connection.recv()
            if message == "close":
                await connection.close(4001, "schöner Grund")
            elif message == "ping":
                await (await connection.ping("from the peer"))
                await connection.send("pong received")
            elif message == "fragments":
                await connection.send(["frag", "", "ments"])
            else:
                await connection.send(message)
    except ConnectionClosed:
        print("closed", connection.close_code, connection.close_reason, flush=True)


async def client(url):
    async with connect(url, subprotocols=["chat"], max_size=None) as connection:
        await echo(connection)


async def server():
    async with serve(echo, "127.0.0.1", 0, subprotocols=["chat"], max_size=None) as listening:
        print("%s:%d" % listening.sockets[0].getsockname(), flush=True)
        await listening.serve_forever()


asyncio.run(client(sys.argv[2]) if sys.argv[1] == "client" else server())
