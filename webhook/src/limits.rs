//! Limits of port 8443: the number of connections, the bytes of reviews, and the time that each may take.
//!
//! A limit applies from the first byte of a request to the end of its answer. At the limit, the connection or request
//! that has been read for the longest time makes room. A slow client loses its own place, and no other client loses an
//! answer. The limits of tower cannot choose like this: they let the newest request wait, or refuse it.

use std::collections::BTreeMap;
use std::future::{Future, Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_server::accept::Accept;
use axum_server::{Handle, Server};
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Limit of a review, in bytes.
///
/// A review holds an account twice: before and after the change. etcd stores at most 1.5 MiB of each, `managedFields`
/// included, and the API server encodes one byte in at most six (`<` as `\u003c`). The rest is for the envelope.
pub const LARGEST: usize = 2 * 6 * (3 << 19) + (2 << 20);
/// Limit of all reviews at one time, in bytes.
const IN_FLIGHT: usize = 64 << 20;
/// The minimum that a request counts for, in bytes: its headers and its answer need memory, too.
const LEAST: usize = 32 << 10;
/// Time limit for reading a request. The API server waits 5 seconds for the answer.
const READING: Duration = Duration::from_secs(5);
/// How long a request waits for room before it is told to retry.
pub(crate) const WAIT: Duration = Duration::from_secs(3);
/// How long a request is read before it may have to make room for others.
const GRACE: Duration = Duration::from_millis(500);

/// Limit of connections to one port.
const CONNECTIONS: usize = 512;
/// Time limit of a client for the TLS handshake, and for its first header.
const GREETING: Duration = Duration::from_secs(5);
/// Time limit of a connection for being idle, or for a later header. An API server closes idle connections after 90
/// seconds. If this limit were shorter, this process could close a connection that is just being used.
const IDLE: Duration = Duration::from_mins(2);
/// Limit of the headers of a request, in bytes.
const HEADER: usize = 32 << 10;

/// A limited capacity, and the permits for shares of it. A permit may be revoked, which a semaphore of tokio cannot do.
#[derive(Debug, Clone)]
pub struct Capacity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    size: usize,
    grace: Duration,
    holders: Mutex<Holders>,
    /// Notified when a permit was released.
    released: Notify,
}

#[derive(Debug, Default)]
struct Holders {
    taken: usize,
    last: u64,
    all: BTreeMap<u64, Holder>,
}

#[derive(Debug)]
struct Holder {
    amount: usize,
    since: Instant,
    /// Revokes the permit; `None` if it cannot be revoked.
    revoke: Option<oneshot::Sender<()>>,
}

impl Capacity {
    /// Creates a capacity of `size`. A permit that is older than `grace` may be revoked for another one.
    pub fn new(size: usize, grace: Duration) -> Self {
        Self(Arc::new(Shared { size, grace, holders: Mutex::default(), released: Notify::new() }))
    }

    /// Takes some of the capacity. If there is too little, the oldest permits are revoked. The error is the time after
    /// which another try may succeed.
    pub fn try_acquire(&self, amount: usize) -> Result<Permit, Duration> {
        let mut holders = self.0.holders();
        while holders.taken.saturating_add(amount) > self.0.size {
            let revocable = holders.all.iter_mut().filter(|(_, holder)| holder.revoke.is_some());
            let Some((number, oldest)) = revocable.min_by_key(|(_, holder)| holder.since) else {
                return Err(self.0.grace);
            };
            let (number, age) = (*number, oldest.since.elapsed());
            if age < self.0.grace {
                return Err(self.0.grace.saturating_sub(age));
            }
            if let Some(holder) = holders.all.remove(&number) {
                holders.taken = holders.taken.saturating_sub(holder.amount);
                // A holder that has just released its permit does not listen any more.
                let _is_heard = holder.revoke.is_some_and(|revoke| revoke.send(()).is_ok());
            }
        }
        holders.last += 1;
        holders.taken += amount;
        let (revoke, revoked) = oneshot::channel();
        let (number, since) = (holders.last, Instant::now());
        holders.all.insert(number, Holder { amount, since, revoke: Some(revoke) });
        Ok(Permit { capacity: self.0.clone(), number, revoked: Some(revoked) })
    }

    /// Takes some of the capacity, and waits until there is enough.
    pub async fn acquire(&self, amount: usize) -> Permit {
        loop {
            let mut released = pin!(self.0.released.notified());
            released.as_mut().enable();
            match self.try_acquire(amount) {
                Ok(permit) => return permit,
                Err(later) => tokio::select! {
                    () = released => {}
                    () = sleep(later.max(Duration::from_millis(1))) => {}
                },
            }
        }
    }

    #[cfg(test)]
    fn taken(&self) -> usize {
        self.0.holders().taken
    }
}

impl Shared {
    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A share of a capacity, released on drop.
#[derive(Debug)]
pub struct Permit {
    capacity: Arc<Shared>,
    number: u64,
    revoked: Option<oneshot::Receiver<()>>,
}

impl Permit {
    fn holder(&self, change: impl FnOnce(&mut Holder)) {
        if let Some(holder) = self.capacity.holders().all.get_mut(&self.number) {
            change(holder);
        }
    }

    /// Makes sure that this permit is not revoked any more.
    pub fn protect(&self) {
        self.holder(|holder| holder.revoke = None);
    }

    /// Counts the permit as taken just now.
    fn restart_age(&self) {
        self.holder(|holder| holder.since = Instant::now());
    }

    fn poll_revoked(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // The sender is dropped without a message if the permit cannot be revoked.
        match self.revoked.as_mut().map(|revoked| Pin::new(revoked).poll(context)) {
            Some(Poll::Ready(Err(_))) => {
                self.revoked = None;
                Poll::Pending
            }
            Some(Poll::Ready(Ok(()))) => {
                self.revoked = None;
                Poll::Ready(())
            }
            Some(Poll::Pending) | None => Poll::Pending,
        }
    }

    /// Completes when this permit is revoked.
    pub async fn revoked(&mut self) {
        std::future::poll_fn(|context| self.poll_revoked(context)).await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut holders = self.capacity.holders();
        // A revoked permit has been removed already.
        if let Some(holder) = holders.all.remove(&self.number) {
            holders.taken = holders.taken.saturating_sub(holder.amount);
            drop(holders);
            self.capacity.released.notify_waiters();
        }
    }
}

/// Accepts connections up to a limit, and disables Nagle's algorithm. An answer is small and awaited. It would
/// otherwise wait for the acknowledgement of its first half, for 40 ms.
#[derive(Debug, Clone)]
pub struct ConnectionLimit(Capacity);

impl Default for ConnectionLimit {
    fn default() -> Self {
        Self(Capacity::new(CONNECTIONS, GRACE))
    }
}

impl<S> Accept<TcpStream, S> for ConnectionLimit {
    type Stream = Connection;
    type Service = S;
    type Future = Ready<io::Result<(Connection, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let permit = self.0.try_acquire(1).map_err(|_| io::Error::other("too many connections"));
        let permitted = stream.set_nodelay(true).and(permit);
        ready(permitted.map(|permit| (Connection { stream, permit, gone: false, answered: false }, service)))
    }
}

/// A connection that can be told to close. Its age is the time for which its current request has been read, or for
/// which it has been idle. Single bytes from time to time do not make a connection younger.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    permit: Permit,
    gone: bool,
    /// Whether the last event was a write.
    answered: bool,
}

impl Connection {
    fn is_gone(&mut self, context: &mut Context<'_>) -> bool {
        self.gone |= self.permit.poll_revoked(context).is_ready();
        self.gone
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "closed for other connections")
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_gone(context) {
            return Poll::Ready(Err(closed()));
        }
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.answered && matches!(read, Poll::Ready(Ok(()))) {
            self.answered = false;
            self.permit.restart_age();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_gone(context) {
            return Poll::Ready(Err(closed()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.answered = true;
            self.permit.restart_age();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Creates a server with these limits, without TLS.
pub fn server(address: SocketAddr, handle: Handle<SocketAddr>) -> Server<SocketAddr, ConnectionLimit> {
    let mut server = axum_server::bind(address)
        .handle(handle)
        .acceptor(ConnectionLimit::default())
        .http1_only()
        .first_request_timeout(GREETING);
    server.http_builder().http1().header_read_timeout(IDLE).max_buf_size(HEADER);
    server
}

/// Creates a server with these limits and TLS.
pub fn tls_server(
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    config: axum_server::tls_rustls::RustlsConfig,
) -> Server<SocketAddr, axum_server::tls_rustls::RustlsAcceptor<ConnectionLimit>> {
    let tls = axum_server::tls_rustls::RustlsAcceptor::new(config).handshake_timeout(GREETING);
    server(address, handle).map(|limit| tls.acceptor(limit))
}

/// Answers a request that finds no room. The API server retries after this number of seconds, if its timeout allows.
pub(crate) fn busy() -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "1")], "too many reviews at one time").into_response()
}

/// Creates the capacity for all bodies that are read or judged at one time.
pub fn body_capacity() -> Capacity {
    Capacity::new(IN_FLIGHT, GRACE)
}

/// Reads the whole body of a request within the limits, and holds its permit until there is an answer.
pub async fn limit_body(State(capacity): State<Capacity>, request: Request, next: Next) -> Response {
    let deadline = Instant::now() + READING;
    let length = content_length(request.headers());
    // A body without a length may become as large as any.
    let amount = length.unwrap_or(LARGEST);
    if amount > LARGEST {
        return too_large();
    }
    let Ok(mut permit) = timeout(WAIT, capacity.acquire(amount.max(LEAST))).await else { return busy() };
    let (head, body) = request.into_parts();
    let read = tokio::select! {
        read = timeout_at(deadline, read(body, length.unwrap_or_default(), amount)) => read,
        () = permit.revoked() => return busy(),
    };
    let body = match read {
        Ok(Ok(body)) => body,
        Ok(Err(answer)) => return answer,
        Err(_) => {
            let answer = (StatusCode::REQUEST_TIMEOUT, [(CONNECTION, "close")], "the body did not come in time");
            return answer.into_response();
        }
    };
    permit.protect();
    let answer = next.run(Request::from_parts(head, Body::from(body))).await;
    drop(permit);
    answer
}

/// Makes API servers open another connection for their next request, and so reach another replica, once this one is
/// ending. If this process closed the connection later by itself, a request could just be on its way.
pub async fn close_when_ending(State(ending): State<watch::Receiver<bool>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if *ending.borrow() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Response {
    (StatusCode::PAYLOAD_TOO_LARGE, format!("a review has at most {LARGEST} bytes")).into_response()
}

/// Reads a body into one buffer. Memory grows with the bytes that arrive, not with the announced length.
async fn read(body: Body, announced: usize, most: usize) -> Result<Bytes, Response> {
    let (mut chunks, mut whole) = (body.into_data_stream(), Vec::with_capacity(announced));
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()).into_response())?;
        if whole.len() + chunk.len() > most {
            return Err(too_large());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn the_oldest_permits_are_revoked_first() {
        let capacity = Capacity::new(3, Duration::ZERO);
        let (mut first, mut second) = (capacity.try_acquire(1).unwrap(), capacity.try_acquire(2).unwrap());
        let third = capacity.try_acquire(1).unwrap();
        assert!(first.revoked().now_or_never().is_some() && second.revoked().now_or_never().is_none());
        assert_eq!(capacity.taken(), 3);
        drop(first);
        assert_eq!(capacity.taken(), 3, "its share was given away already");
        drop(third);
        assert_eq!(capacity.taken(), 2);
        second.restart_age();
        let large = capacity.acquire(3).await;
        assert!(second.revoked().now_or_never().is_some());
        drop(large);
        assert_eq!(capacity.taken(), 0);
    }

    #[tokio::test]
    async fn no_permit_is_revoked_within_the_grace_period() {
        let capacity = Capacity::new(1, LONG);
        let only = capacity.try_acquire(1).unwrap();
        assert!(capacity.try_acquire(1).is_err_and(|later| later > LONG / 2 && later <= LONG));
        let (waiting, ()) = tokio::join!(capacity.acquire(1), async { drop(only) });
        assert_eq!(capacity.taken(), 1);
        drop(waiting);
    }

    #[tokio::test]
    async fn a_protected_permit_is_not_revoked() {
        let capacity = Capacity::new(1, Duration::ZERO);
        let mut only = capacity.try_acquire(1).unwrap();
        only.protect();
        assert!(capacity.try_acquire(1).is_err());
        assert!(only.revoked().now_or_never().is_none());
        let (waiting, ()) = tokio::join!(capacity.acquire(1), async { drop(only) });
        assert_eq!(capacity.taken(), 1);
        drop(waiting);
        assert!(capacity.try_acquire(2).is_err(), "what is larger than the capacity is never admitted");
    }
}
