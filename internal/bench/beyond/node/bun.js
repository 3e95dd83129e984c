// An echo server with the WebSocket server of Bun, which is uWebSockets. The argument
// "alone" has it compress every message on its own.
const kind = process.argv[2];
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch(request, server) {
    if (!server.upgrade(request)) return new Response('WebSocket only', { status: 426 });
  },
  websocket: {
    maxPayloadLength: 64 << 20,
    backpressureLimit: 64 << 20,
    idleTimeout: 0,
    perMessageDeflate: kind ? { compress: 'shared', decompress: 'shared' } : false,
    message(socket, message) {
      socket.send(message, kind !== undefined);
    },
  },
});
console.log(`127.0.0.1:${server.port}`);
