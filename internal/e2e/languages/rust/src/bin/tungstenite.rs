// usage: tungstenite client URL | server
//
// An echo client or server with tokio-tungstenite.
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{accept_hdr_async, client_async, WebSocketStream};

const PROTOCOL: &str = "sec-websocket-protocol";

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[1] == "client" {
        let mut request = args[2].as_str().into_client_request().unwrap();
        request.headers_mut().insert(PROTOCOL, HeaderValue::from_static("chat"));
        let address = request.uri().authority().unwrap().to_string();
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = client_async(request, stream).await.unwrap();
        return echo(socket).await.unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let socket = accept_hdr_async(stream, choose).await.unwrap();
            echo(socket).await.unwrap();
        });
    }
}

#[allow(clippy::result_large_err)]
fn choose(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    if request.headers().get(PROTOCOL).is_some_and(|p| p == "chat") {
        response.headers_mut().insert(PROTOCOL, HeaderValue::from_static("chat"));
    }
    Ok(response)
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        match message? {
            Message::Text(text) if text == "close" => {
                socket.close(Some(CloseFrame { code: 4001.into(), reason: "schöner Grund".into() })).await?
            }
            Message::Text(text) if text == "ping" => socket.send(Message::Ping("from the peer".into())).await?,
            Message::Text(text) if text == "fragments" => {
                for (part, data, last) in [("frag", Data::Text, false), ("", Data::Continue, false), ("ments", Data::Continue, true)] {
                    socket.send(Message::Frame(Frame::message(part, OpCode::Data(data), last))).await?;
                }
            }
            Message::Pong(p) if p == "from the peer" => socket.send("pong received".into()).await?,
            Message::Close(Some(frame)) => println!("closed {} {}", frame.code, frame.reason),
            message if message.is_text() || message.is_binary() => socket.send(message).await?,
            _ => {}
        }
    }
    Ok(())
}
