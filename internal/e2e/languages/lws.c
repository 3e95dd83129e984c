// usage: lws client PORT | server
//
// An echo client of ws://127.0.0.1:PORT/ or an echo server with libwebsockets. It keeps one
// answer at a time: its peer waits for each.

#include <libwebsockets.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session {
    unsigned char *data; // LWS_PRE bytes, and the message or what was received of it
    size_t length, room;
    int binary;
    const char *parts; // fragments to send after each other, separated by NUL; an empty one is the last
    int first;
    enum { NOTHING, MESSAGE, PING, PARTS, CLOSE } answer;
};

static const char parts[] = "frag\0me\0nts\0";
static int ended;

static void append(struct session *s, const void *in, size_t n) {
    if (!s->data || s->room < s->length + n) {
        s->room = 2 * (s->length + n);
        s->data = realloc(s->data, LWS_PRE + s->room);
    }
    if (n > 0)
        memcpy(s->data + LWS_PRE + s->length, in, n);
    s->length += n;
}

static int is(const struct session *s, const char *text) {
    return !s->binary && s->length == strlen(text) && !memcmp(s->data + LWS_PRE, text, s->length);
}

// respond sends what the message asks for. It is called when the socket is writable.
static int respond(struct lws *wsi, struct session *s) {
    unsigned char small[LWS_PRE + 64];
    size_t n;
    switch (s->answer) {
    case MESSAGE:
        lws_write(wsi, s->data + LWS_PRE, s->length, s->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
        break;
    case PING:
        memcpy(small + LWS_PRE, "from the peer", 13);
        lws_write(wsi, small + LWS_PRE, 13, LWS_WRITE_PING);
        break;
    case PARTS:
        n = strlen(s->parts);
        memcpy(small + LWS_PRE, s->parts, n);
        int last = s->parts[n + 1] == 0;
        lws_write(wsi, small + LWS_PRE, n, (s->first ? LWS_WRITE_TEXT : LWS_WRITE_CONTINUATION) | (last ? 0 : LWS_WRITE_NO_FIN));
        s->first = 0;
        s->parts += n + 1;
        if (!last) {
            lws_callback_on_writable(wsi);
            return 0;
        }
        break;
    case CLOSE:
        lws_close_reason(wsi, 4001, (unsigned char *)"schöner Grund", strlen("schöner Grund"));
        return -1;
    case NOTHING:
        return 0;
    }
    s->answer = NOTHING;
    s->length = 0;
    return 0;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len) {
    struct session *s = user;
    switch (reason) {
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (lws_is_first_fragment(wsi))
            s->binary = lws_frame_is_binary(wsi);
        append(s, in, len);
        if (lws_remaining_packet_payload(wsi) > 0 || !lws_is_final_fragment(wsi))
            return 0;
        s->answer = is(s, "close") ? CLOSE : is(s, "ping") ? PING : is(s, "fragments") ? PARTS : MESSAGE;
        s->parts = parts;
        s->first = 1;
        lws_callback_on_writable(wsi);
        return 0;
    case LWS_CALLBACK_RECEIVE_PONG:
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        if (len == 13 && !memcmp(in, "from the peer", 13)) {
            s->length = 0;
            append(s, "pong received", 13);
            s->answer = MESSAGE;
            lws_callback_on_writable(wsi);
        }
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return respond(wsi, s);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: {
        const unsigned char *p = in;
        if (len >= 2)
            printf("closed %d %.*s\n", p[0] << 8 | p[1], (int)len - 2, (const char *)p + 2);
        fflush(stdout);
        return 0;
    }
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        fprintf(stderr, "connecting: %s\n", in ? (char *)in : "unknown error");
        ended = 1;
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        ended = 1;
        /* fall through */
    case LWS_CALLBACK_CLOSED:
        free(s->data);
        s->data = NULL;
        return 0;
    default:
        return 0;
    }
}

static void end(int signal) {
    (void)signal;
    ended = 1;
}

int main(int argc, char **argv) {
    static const struct lws_protocols protocols[] = {
        {"chat", callback, sizeof(struct session), 4096, 0, NULL, 0},
        {NULL, NULL, 0, 0, 0, NULL, 0},
    };
    static const struct lws_extension extensions[] = {
        {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate; client_max_window_bits"},
        {NULL, NULL, NULL},
    };
    int client = argc == 3 && !strcmp(argv[1], "client");
    lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
    signal(SIGTERM, end);
    struct lws_context_creation_info info = {0};
    info.port = client ? CONTEXT_PORT_NO_LISTEN : 0;
    info.iface = client ? NULL : "127.0.0.1";
    info.protocols = protocols;
    if (!client) // a client that compresses gets no pongs, from other servers neither
        info.extensions = extensions;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    struct lws_context *context = lws_create_context(&info);
    if (!context)
        return 1;
    struct lws_vhost *host = lws_create_vhost(context, &info);
    if (!host)
        return 1;
    if (client) {
        struct lws_client_connect_info to = {0};
        to.context = context;
        to.vhost = host;
        to.address = to.host = to.origin = "127.0.0.1";
        to.port = atoi(argv[2]);
        to.path = "/";
        to.protocol = "chat";
        lws_client_connect_via_info(&to);
    } else {
        printf("127.0.0.1:%d\n", lws_get_vhost_listen_port(host));
        fflush(stdout);
    }
    while (!ended && lws_service(context, 0) >= 0)
        ;
    lws_context_destroy(context);
    return 0;
}
