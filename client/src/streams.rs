//! Streams of a VM that is on: its serial console, its screen and its ports.
//!
//! KubeVirt serves each stream as a WebSocket of bytes. The bytes have no channels, and one end cannot close its half
//! alone.

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
};
use http::header::{HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use serde::Deserialize;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use cmp_core::name::InstanceName;

use crate::error::{ApiError, innermost};
use crate::kubevirt::of_guest;

/// The subprotocol of KubeVirt: bytes without channels.
const PROTOCOL: &str = "plain.kubevirt.io";

/// The end of a stream in a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The first serial console. A new connection replaces the previous one.
    Console,
    /// The screen, which speaks the protocol of VNC. A new connection replaces the previous one.
    Screen,
    /// A TCP port.
    Port(u16),
}

impl End {
    /// Returns the path of the subresource below the guest.
    fn path(self) -> String {
        match self {
            Self::Console => "console".to_owned(),
            Self::Screen => "vnc".to_owned(),
            Self::Port(port) => format!("portforward/{port}/tcp"),
        }
    }
}

/// The half of a stream that sends to the VM.
pub struct Sender(SplitSink<WebSocketStream<TokioIo<Upgraded>>, Message>);

/// The half of a stream that receives from the VM. It has to be read all the time, because it also answers the pings of
/// KubeVirt.
pub struct Receiver(SplitStream<WebSocketStream<TokioIo<Upgraded>>>);

/// Opens a stream of the guest of a VM.
pub async fn open(client: &Client, name: &InstanceName, end: End) -> Result<(Sender, Receiver), ApiError> {
    let key = generate_key();
    let request = Request::get(of_guest(name, &end.path()))
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &key)
        .header(SEC_WEBSOCKET_PROTOCOL, PROTOCOL)
        .body(Body::empty())
        .map_err(|error| ApiError::Other(error.to_string()))?;
    let response = client.send(request).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let status = response.status();
        let body = response.into_body().collect_bytes().await?;
        return Err(refusal(status, &body));
    }
    if !accepts(&response, &key) {
        return Err(ApiError::Other(
            "the server opened no WebSocket: a proxy before it may not support them".to_owned(),
        ));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(|error| ApiError::Unreachable(innermost(&error)))?;
    let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
    let (sender, receiver) = stream.split();
    Ok((Sender(sender), Receiver(receiver)))
}

/// Reports whether a response accepts the WebSocket of this key (RFC 6455, section 4.1).
fn accepts<B>(response: &Response<B>, key: &str) -> bool {
    let has = |value: Option<&HeaderValue>, expected: &str| {
        value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(expected.as_bytes()))
    };
    let headers = response.headers();
    let expected = derive_accept_key(key.as_bytes());
    has(headers.get(UPGRADE), "websocket")
        && has(headers.get(CONNECTION), "Upgrade")
        && headers.get(SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept.as_bytes() == expected.as_bytes())
}

/// Returns the error in a response that opens no stream.
fn refusal(code: StatusCode, body: &[u8]) -> ApiError {
    /// The form of a `Status` that virt-api answers with.
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Wrapped {
        err_status: Status,
    }
    let said = |status: &Status| !status.message.is_empty();
    let plain = serde_json::from_slice::<Status>(body).ok().filter(said);
    let wrapped = || serde_json::from_slice::<Wrapped>(body).ok().map(|wrapped| wrapped.err_status).filter(said);
    let mut status = plain.or_else(wrapped).unwrap_or_else(|| {
        // A proxy answers with a page of its own.
        Status { message: format!("the server answered {code}"), ..Status::default() }
    });
    status.code = code.as_u16();
    status.into()
}

impl Sender {
    /// Sends bytes. Returns an error once the stream has ended.
    pub async fn send(&mut self, bytes: Vec<u8>) -> Result<(), ApiError> {
        self.0.send(Message::Binary(bytes.into())).await.map_err(|error| lost(&error))
    }

    /// Ends the stream. A stream that has ended already is no error.
    pub async fn close(&mut self) {
        self.0.close().await.ok();
    }
}

impl Receiver {
    /// Returns the next bytes, or `None` at the end of the stream.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(Some(bytes)),
                Some(Ok(Message::Text(text))) => return Ok(Some(text.into())),
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) if is_end(&error) => return Ok(None),
                Some(Err(error)) => return Err(lost(&error)),
            }
        }
    }
}

/// Reports whether the other side has closed the stream. KubeVirt closes the connection of a console without a frame.
fn is_end(error: &Error) -> bool {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => true,
        Error::Io(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
        _ => false,
    }
}

fn lost(error: &Error) -> ApiError {
    ApiError::Other(format!("the connection was lost: {}", innermost(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_in_each_form() {
        let check = |code: u16, body: &str, expected: &str| {
            let error = refusal(StatusCode::from_u16(code).unwrap(), body.as_bytes());
            assert!(matches!(&error, ApiError::Refused { code: read, .. } if *read == code), "{error:?}");
            assert_eq!(error.to_string(), expected);
        };
        let status = r#"{"kind":"Status","status":"Failure","message":"VMI is not running","code":400}"#;
        check(400, status, "VMI is not running");
        check(409, r#"{"ErrStatus":{"status":"Failure","message":"VMI is paused","code":409}}"#, "VMI is paused");
        check(502, "<html>Bad Gateway</html>", "the server answered 502 Bad Gateway");
        check(200, "{}", "the server answered 200 OK");
        assert!(matches!(refusal(StatusCode::UNAUTHORIZED, b"{}"), ApiError::Unauthorized(_)));
    }

    #[test]
    fn only_the_answer_to_this_key_is_a_websocket() {
        // The key and the answer of RFC 6455, section 1.3.
        let (key, accept) = ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let answer = |headers: [(&str, &str); 3]| {
            let answer = Response::builder().status(101);
            headers.into_iter().fold(answer, |answer, (name, value)| answer.header(name, value)).body(()).unwrap()
        };
        let good = [("upgrade", "WebSocket"), ("connection", "upgrade"), ("sec-websocket-accept", accept)];
        assert!(accepts(&answer(good), key));
        for (at, wrong) in ["h2c", "close", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO="].into_iter().enumerate() {
            let mut headers = good;
            headers[at].1 = wrong;
            assert!(!accepts(&answer(headers), key), "{headers:?}");
        }
    }

    #[test]
    fn each_end_has_its_subresource() {
        let paths = [End::Console, End::Screen, End::Port(22)].map(End::path);
        assert_eq!(paths, ["console", "vnc", "portforward/22/tcp"]);
    }
}
