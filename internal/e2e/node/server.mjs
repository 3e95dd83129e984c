// usage: node server.mjs [SUBPROTOCOL...]
//
// It serves one connection, on a free port that it reports.

import { WebSocketServer } from "ws";
import { attach, report } from "./peer.mjs";

const subprotocols = process.argv.slice(2);
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  perMessageDeflate: false,
  handleProtocols: (offered) => subprotocols.find((name) => offered.has(name)) ?? false,
});
server.on("listening", () => report("listening", { port: server.address().port }));
server.on("connection", (socket) => {
  report("open", { subprotocol: socket.protocol, extensions: socket.extensions });
  attach(socket);
});
