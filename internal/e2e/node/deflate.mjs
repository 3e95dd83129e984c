// usage: node deflate.mjs
//
// It obeys JSON lines from the standard input: serve waits for one connection on
// a free port, which it reports, and connect opens one. Both compress with the
// options, which have the names of RFC 7692. What arrives goes back, long
// messages in fragments, and the text "report" is answered with what was agreed
// and how much went over the network.

import { createInterface } from "node:readline";
import WebSocket, { WebSocketServer } from "ws";
import { report } from "./peer.mjs";

function perMessageDeflate(options) {
  const clientMaxWindowBits = options.client_max_window_bits;
  return {
    serverNoContextTakeover: options.server_no_context_takeover,
    clientNoContextTakeover: options.client_no_context_takeover,
    serverMaxWindowBits: options.server_max_window_bits,
    clientMaxWindowBits: clientMaxWindowBits === -1 ? false : clientMaxWindowBits,
    threshold: 0,
  };
}

function describe(socket) {
  const { bytesRead: read, bytesWritten: written } = socket._socket;
  const deflate = socket._extensions["permessage-deflate"];
  return JSON.stringify({ extensions: socket.extensions, agreed: deflate?.params, read, written });
}

function echo(socket) {
  socket.on("error", (error) => report("error", { message: error.message }));
  socket.on("message", (data, binary) => {
    if (!binary && data.toString() === "report") {
      socket.send(describe(socket));
      return;
    }
    if (data.length > 50_000) {
      socket.send(data.subarray(0, 10_000), { binary, fin: false });
      data = data.subarray(10_000);
    }
    socket.send(data, { binary });
  });
}

const commands = {
  connect: ({ url, options }) => echo(new WebSocket(url, { perMessageDeflate: perMessageDeflate(options) })),
  serve: ({ options }) => {
    const server = new WebSocketServer({
      host: "127.0.0.1",
      port: 0,
      perMessageDeflate: perMessageDeflate(options),
    });
    server.on("listening", () => report("listening", { port: server.address().port }));
    server.on("connection", (socket) => {
      server.close();
      echo(socket);
    });
  },
};
const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  const { command, ...rest } = JSON.parse(line);
  commands[command](rest);
});
input.on("close", () => process.exit());
