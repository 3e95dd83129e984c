// usage: node client.mjs URL [SUBPROTOCOL...]

import WebSocket from "ws";
import { attach, report } from "./peer.mjs";

const [url, ...subprotocols] = process.argv.slice(2);
const socket = new WebSocket(url, subprotocols, { perMessageDeflate: false });
socket.on("open", () => report("open", { subprotocol: socket.protocol, extensions: socket.extensions }));
attach(socket);
