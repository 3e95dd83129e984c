// usage: node --experimental-websocket node.mjs client URL
//
// An echo client with the WebSocket that is built into Node.js.

const url = process.argv[3];
const socket = new WebSocket(url, "chat");
socket.binaryType = "arraybuffer";
socket.onmessage = ({ data }) => {
  if (data === "close") socket.close(4001, "schöner Grund");
  else socket.send(data);
};
socket.onclose = ({ code, reason }) => console.log("closed", code, reason);
