// WebSocket over HTTP/2 (RFC 8441) by Node's http2 and the frames of ws.
//
//	node http2.mjs server cert.pem key.pem    an echo server; prints its port
//	node http2.mjs client https://host:port   sends messages, and prints what comes back
import http2 from "node:http2";
import { readFileSync } from "node:fs";
import WebSocket from "ws";

// connection returns the WebSocket on a stream whose handshake is done.
const connection = (stream, isServer) => {
	stream.setNoDelay = () => {};
	const socket = new WebSocket(null, undefined, {});
	socket._isServer = isServer;
	socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 0, skipUTF8Validation: false, allowSynchronousEvents: true });
	return socket;
};

const [role, ...args] = process.argv.slice(2);
if (role === "server") {
	const [cert, key] = args.map(name => readFileSync(name));
	const server = http2.createSecureServer({ cert, key, settings: { enableConnectProtocol: true } });
	server.on("stream", (stream, headers) => {
		if (headers[":method"] !== "CONNECT" || headers[":protocol"] !== "websocket") {
			stream.respond({ ":status": 400 }, { endStream: true });
			return;
		}
		stream.respond({ ":status": 200, "sec-websocket-protocol": headers["sec-websocket-protocol"] });
		const socket = connection(stream, true);
		socket.on("message", (data, isBinary) => {
			if (data.toString() === "close") socket.close(4001, "bye");
			else socket.send(data, { binary: isBinary });
		});
		socket.on("error", () => {});
	});
	server.listen(0, "127.0.0.1", () => console.log(server.address().port));
} else {
	const session = http2.connect(args[0], { rejectUnauthorized: false });
	session.once("remoteSettings", () => {
		const stream = session.request({
			":method": "CONNECT", ":protocol": "websocket", ":scheme": "https", ":path": "/ws",
			":authority": new URL(args[0]).host, "sec-websocket-version": "13", "sec-websocket-protocol": "chat",
		});
		stream.once("response", headers => {
			console.log(headers[":status"], headers["sec-websocket-protocol"]);
			const socket = connection(stream, false);
			const sizes = [0, 1, 125, 126, 65535, 65536, 1 << 20];
			let i = 0;
			const next = () => (i < sizes.length ? socket.send("x".repeat(sizes[i])) : socket.close(4002, "bye"));
			socket.on("message", data => {
				console.log(data.length === sizes[i] ? "ok" : "wrong");
				i++;
				next();
			});
			// The code is not printed: ws resets the stream at times before it has read
			// the answer to its close frame.
			socket.on("close", () => session.close());
			next();
		});
	});
}
