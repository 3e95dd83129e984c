// usage: java -Dfile.encoding=UTF-8 Client.java client URL
//
// An echo client with java.net.http.

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;

public class Client implements WebSocket.Listener {
    private final CountDownLatch ended = new CountDownLatch(1);
    private final StringBuilder text = new StringBuilder();
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private boolean pinged;

    public static void main(String[] args) throws Exception {
        var client = new Client();
        HttpClient.newHttpClient().newWebSocketBuilder().subprotocols("chat")
            .buildAsync(URI.create(args[1]), client).join();
        client.ended.await();
        System.exit(0); // does not wait for the threads of the HttpClient
    }

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
        text.append(part);
        socket.request(1);
        if (!last) return null;
        var message = text.toString();
        text.setLength(0);
        switch (message) {
            case "close": return socket.sendClose(4001, "schöner Grund");
            case "ping":
                pinged = true;
                return socket.sendPing(ByteBuffer.wrap("from the peer".getBytes()));
            case "fragments":
                return socket.sendText("frag", false).thenCompose(s -> s.sendText("", false))
                    .thenCompose(s -> s.sendText("ments", true));
            default: return socket.sendText(message, true);
        }
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer part, boolean last) {
        var p = new byte[part.remaining()];
        part.get(p);
        bytes.writeBytes(p);
        socket.request(1);
        if (!last) return null;
        var message = ByteBuffer.wrap(bytes.toByteArray());
        bytes.reset();
        return socket.sendBinary(message, true);
    }

    @Override
    public CompletionStage<?> onPong(WebSocket socket, ByteBuffer payload) {
        socket.request(1);
        if (!pinged) return null;
        pinged = false;
        return socket.sendText("pong received", true);
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
        System.out.println("closed " + code + " " + reason);
        return socket.sendClose(code, "").whenComplete((s, e) -> ended.countDown());
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
        error.printStackTrace();
        ended.countDown();
    }
}
