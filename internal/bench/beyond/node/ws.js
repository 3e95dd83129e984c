// An echo server with ws, and bufferutil for the masking. The argument "alone" has it
// compress every message on its own, "takeover" with context takeover.
const { WebSocketServer } = require('ws');

const kind = process.argv[2];
const alone = kind === 'alone';
const perMessageDeflate = kind ? { threshold: 0, serverNoContextTakeover: alone, clientNoContextTakeover: alone, zlibDeflateOptions: { level: 1 } } : false;
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate }, () => console.log(`127.0.0.1:${server.address().port}`));
server.on('connection', (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
});
