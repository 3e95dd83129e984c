// usage: fastwebsockets client URL | server
//
// An echo client or server with fastwebsockets on hyper.
use fastwebsockets::handshake::{client, generate_key};
use fastwebsockets::{upgrade, FragmentCollector, Frame, OpCode, Payload, WebSocketError};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::future::Future;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

const PROTOCOL: &str = "sec-websocket-protocol";

struct OnRuntime;

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for OnRuntime {
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[1] == "client" {
        return connect(&args[2]).await.unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            connection.with_upgrades().await.unwrap();
        });
    }
}

async fn connect(url: &str) -> Result<(), WebSocketError> {
    let uri: hyper::Uri = url.parse().unwrap();
    let authority = uri.authority().unwrap().as_str();
    let stream = TcpStream::connect(authority).await?;
    let request = Request::builder()
        .uri(uri.path())
        .header("host", authority)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", generate_key())
        .header("sec-websocket-version", "13")
        .header(PROTOCOL, "chat")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let (mut socket, _) = client(&OnRuntime, request, stream).await?;
    socket.set_max_message_size(1 << 30);
    echo(FragmentCollector::new(socket)).await
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (mut response, upgraded) = upgrade::upgrade(&mut request)?;
    if request.headers().get(PROTOCOL).is_some_and(|p| p == "chat") {
        response.headers_mut().insert(PROTOCOL, HeaderValue::from_static("chat"));
    }
    tokio::spawn(async move { echo(FragmentCollector::new(upgraded.await.unwrap())).await.unwrap() });
    Ok(response)
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut socket: FragmentCollector<S>) -> Result<(), WebSocketError> {
    loop {
        let frame = socket.read_frame().await?;
        match (frame.opcode, &frame.payload[..]) {
            (OpCode::Close, payload) => {
                if payload.len() >= 2 {
                    let code = u16::from_be_bytes([payload[0], payload[1]]);
                    println!("closed {} {}", code, String::from_utf8_lossy(&payload[2..]));
                }
                return Ok(());
            }
            (OpCode::Text, b"close") => socket.write_frame(Frame::close(4001, "schöner Grund".as_bytes())).await?,
            (OpCode::Text, b"ping") => {
                socket.write_frame(Frame::new(true, OpCode::Ping, None, Payload::Borrowed(b"from the peer"))).await?
            }
            (OpCode::Text, b"fragments") => {
                for (part, opcode, last) in
                    [("frag", OpCode::Text, false), ("", OpCode::Continuation, false), ("ments", OpCode::Continuation, true)]
                {
                    socket.write_frame(Frame::new(last, opcode, None, Payload::Borrowed(part.as_bytes()))).await?;
                }
            }
            (OpCode::Pong, b"from the peer") => {
                socket.write_frame(Frame::text(Payload::Borrowed(b"pong received"))).await?
            }
            (OpCode::Text | OpCode::Binary, _) => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}
