//! Streams of a guest: its serial console and its screen, each a WebSocket of bytes that virt-api asks for. A new
//! connection ends the previous one, as with the real virt-handler.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use futures::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The present connection to each stream, by its path. It ends when its sender is dropped.
static PRESENT: Mutex<Option<HashMap<String, oneshot::Sender<()>>>> = Mutex::new(None);

/// Ends the previous connection to a stream. Returns the end of the new one.
fn replace(path: &str) -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    let mut present = PRESENT.lock().unwrap_or_else(PoisonError::into_inner);
    drop(present.get_or_insert_default().insert(path.to_owned(), sender));
    receiver
}

/// Serves a console that prints a login prompt, and echoes the input.
pub(crate) async fn console(Path((_, name)): Path<(String, String)>, request: Request) -> Response<Body> {
    upgraded(request, format!("{name} login: "))
}

/// Serves a screen that announces its protocol.
pub(crate) async fn vnc(request: Request) -> Response<Body> {
    upgraded(request, "RFB 003.008\n".to_owned())
}

fn upgraded(mut request: Request, greeting: String) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = request.headers();
    let accept = headers.get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let protocol = headers.get(header::SEC_WEBSOCKET_PROTOCOL).cloned();
    let accept = accept.and_then(|accept| HeaderValue::from_str(&accept).ok());
    let (Some(accept), Some(upgrade)) = (accept, request.extensions_mut().remove::<OnUpgrade>()) else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    let path = request.uri().path().to_owned();
    tokio::spawn(async move {
        let replaced = replace(&path);
        let spoken = match upgrade.await {
            Ok(stream) => tokio::select! {
                spoken = speak(stream, greeting) => spoken.map_err(|error| error.to_string()),
                _ = replaced => Err("replaced".to_owned()),
            },
            Err(error) => Err(error.to_string()),
        };
        eprintln!("{path}: {}", spoken.err().unwrap_or_else(|| "ended".to_owned()));
    });
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let mut set = |name: HeaderName, value: HeaderValue| response.headers_mut().insert(name, value);
    set(header::CONNECTION, HeaderValue::from_static("upgrade"));
    set(header::UPGRADE, HeaderValue::from_static("websocket"));
    set(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        set(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
}

/// Sends the greeting, then echoes the input.
async fn speak(stream: Upgraded, greeting: String) -> Result<(), Error> {
    let mut stream = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, None).await;
    stream.send(Message::Binary(greeting.into())).await?;
    while let Some(heard) = stream.next().await {
        match heard? {
            heard @ (Message::Binary(_) | Message::Text(_)) => stream.send(heard).await?,
            Message::Close(_) => break,
            _ => {}
        }
    }
    Ok(())
}
