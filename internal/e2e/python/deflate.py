"""The counterpart of node/deflate.mjs for the Python package websockets."""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import WebSocketException
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)


class Counted(Extension):
    """An extension and how much went over the network."""

    def __init__(self, extension):
        self.extension = extension
        self.name = extension.name
        self.read = self.written = 0

    def decode(self, frame, *, max_size=None):
        self.read += len(frame.data)
        return self.extension.decode(frame, max_size=max_size)

    def encode(self, frame):
        frame = self.extension.encode(frame)
        self.written += len(frame.data)
        return frame


class ClientFactory(ClientPerMessageDeflateFactory):
    def process_response_params(self, *args):
        return Counted(super().process_response_params(*args))


class ServerFactory(ServerPerMessageDeflateFactory):
    def process_request_params(self, *args):
        params, extension = super().process_request_params(*args)
        return params, Counted(extension)


def report(event, **details):
    print(json.dumps({"event": event, **details}), flush=True)


def describe(connection, is_client):
    """Say what was agreed, with the names of RFC 7692."""
    extensions = connection.protocol.extensions
    description = {"extensions": ", ".join(extension.name for extension in extensions)}
    for counted in extensions:
        local, remote = ("client", "server") if is_client else ("server", "client")
        deflate = counted.extension
        description |= {"read": counted.read, "written": counted.written}
        description["agreed"] = {
            f"{local}_no_context_takeover": deflate.local_no_context_takeover,
            f"{remote}_no_context_takeover": deflate.remote_no_context_takeover,
            f"{local}_max_window_bits": deflate.local_max_window_bits,
            f"{remote}_max_window_bits": deflate.remote_max_window_bits,
        }
    return json.dumps(description)


async def echo(connection, is_client):
    async for message in connection:
        if message == "report":
            message = describe(connection, is_client)
        elif len(message) > 50_000:
            message = [message[:10_000], message[10_000:]]
        await connection.send(message)


async def run_client(url, options):
    if options.get("client_max_window_bits") == -1:
        options["client_max_window_bits"] = None
    try:
        async with connect(
            url, proxy=None, compression=None, extensions=[ClientFactory(**options)]
        ) as connection:
            await echo(connection, True)
    except WebSocketException as error:
        report("error", message=str(error))


async def run_server(options):
    ended = asyncio.Event()

    async def handle(connection):
        try:
            await echo(connection, False)
        finally:
            ended.set()

    async with serve(
        handle, "127.0.0.1", 0, compression=None, extensions=[ServerFactory(**options)]
    ) as server:
        report("listening", port=server.sockets[0].getsockname()[1])
        await ended.wait()


async def main():
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            match json.loads(line):
                case {"command": "connect", "url": url, "options": options}:
                    tasks.create_task(run_client(url, options))
                case {"command": "serve", "options": options}:
                    tasks.create_task(run_server(options))


asyncio.run(main())
