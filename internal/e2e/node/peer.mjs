// The part that client.mjs and server.mjs share: it reports what happens to a
// socket as JSON lines on the standard output, and obeys JSON lines from the
// standard input. Bytes travel as base64.

import { createInterface } from "node:readline";

export function report(event, details = {}) {
  process.stdout.write(JSON.stringify({ event, ...details }) + "\n");
}

export function attach(socket) {
  const base64 = (bytes) => bytes.toString("base64");
  socket.on("message", (data, binary) => report("message", { binary, data: base64(data) }));
  socket.on("ping", (data) => report("ping", { data: base64(data) }));
  socket.on("pong", (data) => report("pong", { data: base64(data) }));
  socket.on("error", (error) => report("error", { message: error.message }));
  socket.on("close", (code, reason) => report("close", { code, reason: reason.toString() }));

  const commands = {
    // more announces that the message goes on with the next send.
    send: ({ data, binary, more }) => socket.send(data, { binary, fin: !more }),
    ping: ({ data }) => socket.ping(data),
    pong: ({ data }) => socket.pong(data),
    close: ({ code, reason }) => socket.close(code, reason),
    terminate: () => socket.terminate(),
    // raw bypasses ws, to send what it would not.
    raw: ({ data }) => socket._socket.write(data),
  };
  const input = createInterface({ input: process.stdin });
  input.on("line", (line) => {
    const { command, data, ...rest } = JSON.parse(line);
    commands[command]({ data: Buffer.from(data ?? "", "base64"), ...rest });
  });
  input.on("close", () => process.exit());
}
