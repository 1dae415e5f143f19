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

/// A limited capacity, and the guests that use some of it.
#[derive(Debug, Clone)]
pub struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    size: usize,
    grace: Duration,
    guests: Mutex<Guests>,
    /// Notified when a guest has left.
    left: Notify,
}

#[derive(Debug, Default)]
struct Guests {
    taken: usize,
    last: u64,
    present: BTreeMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    amount: usize,
    since: Instant,
    /// Tells the guest to leave; `None` for a guest that may stay.
    leave: Option<oneshot::Sender<()>>,
}

impl Room {
    /// Creates a room of `size`. A guest that stays for longer than `grace` may have to make room for another one.
    pub fn new(size: usize, grace: Duration) -> Self {
        Self(Arc::new(Shared { size, grace, guests: Mutex::default(), left: Notify::new() }))
    }

    /// Takes some of the room. If there is too little, the guests that came first are told to leave. The error is the
    /// time after which another try may succeed.
    pub fn try_enter(&self, amount: usize) -> Result<Seat, Duration> {
        let mut guests = self.0.guests();
        while guests.taken.saturating_add(amount) > self.0.size {
            let may_leave = guests.present.iter_mut().filter(|(_, guest)| guest.leave.is_some());
            let Some((number, oldest)) = may_leave.min_by_key(|(_, guest)| guest.since) else {
                return Err(self.0.grace);
            };
            let (number, stayed) = (*number, oldest.since.elapsed());
            if stayed < self.0.grace {
                return Err(self.0.grace.saturating_sub(stayed));
            }
            if let Some(guest) = guests.present.remove(&number) {
                guests.taken = guests.taken.saturating_sub(guest.amount);
                // A guest that has just left does not listen any more.
                let _told = guest.leave.is_some_and(|leave| leave.send(()).is_ok());
            }
        }
        guests.last += 1;
        guests.taken += amount;
        let (leave, told) = oneshot::channel();
        let (number, since) = (guests.last, Instant::now());
        guests.present.insert(number, Guest { amount, since, leave: Some(leave) });
        Ok(Seat { room: self.0.clone(), number, told: Some(told) })
    }

    /// Takes some of the room, and waits until there is enough.
    pub async fn enter(&self, amount: usize) -> Seat {
        loop {
            let mut left = pin!(self.0.left.notified());
            left.as_mut().enable();
            match self.try_enter(amount) {
                Ok(seat) => return seat,
                Err(later) => tokio::select! {
                    () = left => {}
                    () = sleep(later.max(Duration::from_millis(1))) => {}
                },
            }
        }
    }

    #[cfg(test)]
    fn taken(&self) -> usize {
        self.0.guests().taken
    }
}

impl Shared {
    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A share of a room, released on drop.
#[derive(Debug)]
pub struct Seat {
    room: Arc<Shared>,
    number: u64,
    told: Option<oneshot::Receiver<()>>,
}

impl Seat {
    fn guest(&self, change: impl FnOnce(&mut Guest)) {
        if let Some(guest) = self.room.guests().present.get_mut(&self.number) {
            change(guest);
        }
    }

    /// Makes sure that this guest is not told to leave any more.
    pub fn stay(&self) {
        self.guest(|guest| guest.leave = None);
    }

    /// Counts the guest as having come just now.
    fn come_anew(&self) {
        self.guest(|guest| guest.since = Instant::now());
    }

    fn poll_told(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // The sender is dropped without a message if the guest may stay.
        match self.told.as_mut().map(|told| Pin::new(told).poll(context)) {
            Some(Poll::Ready(Err(_))) => {
                self.told = None;
                Poll::Pending
            }
            Some(Poll::Ready(Ok(()))) => {
                self.told = None;
                Poll::Ready(())
            }
            Some(Poll::Pending) | None => Poll::Pending,
        }
    }

    /// Completes when this guest has to leave.
    pub async fn told(&mut self) {
        std::future::poll_fn(|context| self.poll_told(context)).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut guests = self.room.guests();
        // A guest that was told to leave has been removed already.
        if let Some(guest) = guests.present.remove(&self.number) {
            guests.taken = guests.taken.saturating_sub(guest.amount);
            drop(guests);
            self.room.left.notify_waiters();
        }
    }
}

/// Accepts connections while there is room, and disables Nagle's algorithm. An answer is small and awaited. It would
/// otherwise wait for the acknowledgement of its first half, for 40 ms.
#[derive(Debug, Clone)]
pub struct Doorkeeper(Room);

impl Default for Doorkeeper {
    fn default() -> Self {
        Self(Room::new(CONNECTIONS, GRACE))
    }
}

impl<S> Accept<TcpStream, S> for Doorkeeper {
    type Stream = Connection;
    type Service = S;
    type Future = Ready<io::Result<(Connection, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let seat = self.0.try_enter(1).map_err(|_| io::Error::other("too many connections"));
        let seated = stream.set_nodelay(true).and(seat);
        ready(seated.map(|seat| (Connection { stream, seat, gone: false, answered: false }, service)))
    }
}

/// A connection that can be told to close. Its age is the time for which its current request has been read, or for
/// which it has been idle. Single bytes from time to time do not make a connection younger.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    seat: Seat,
    gone: bool,
    /// Whether the last event was a write.
    answered: bool,
}

impl Connection {
    fn is_gone(&mut self, context: &mut Context<'_>) -> bool {
        self.gone |= self.seat.poll_told(context).is_ready();
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
            self.seat.come_anew();
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
            self.seat.come_anew();
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
pub fn server(address: SocketAddr, handle: Handle<SocketAddr>) -> Server<SocketAddr, Doorkeeper> {
    let mut server = axum_server::bind(address)
        .handle(handle)
        .acceptor(Doorkeeper::default())
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
) -> Server<SocketAddr, axum_server::tls_rustls::RustlsAcceptor<Doorkeeper>> {
    let tls = axum_server::tls_rustls::RustlsAcceptor::new(config).handshake_timeout(GREETING);
    server(address, handle).map(|doorkeeper| tls.acceptor(doorkeeper))
}

/// Answers a request that finds no room. The API server retries after this number of seconds, if its timeout allows.
pub(crate) fn busy() -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "1")], "too many reviews at one time").into_response()
}

/// Creates the room for all bodies that are read or judged at one time.
pub fn room_for_bodies() -> Room {
    Room::new(IN_FLIGHT, GRACE)
}

/// Reads the whole body of a request within the limits, and holds its room until there is an answer.
pub async fn hold(State(room): State<Room>, request: Request, next: Next) -> Response {
    let deadline = Instant::now() + READING;
    let length = content_length(request.headers());
    // A body without a length may become as large as any.
    let amount = length.unwrap_or(LARGEST);
    if amount > LARGEST {
        return too_large();
    }
    let Ok(mut seat) = timeout(WAIT, room.enter(amount.max(LEAST))).await else { return busy() };
    let (head, body) = request.into_parts();
    let read = tokio::select! {
        read = timeout_at(deadline, read(body, length.unwrap_or_default(), amount)) => read,
        () = seat.told() => return busy(),
    };
    let body = match read {
        Ok(Ok(body)) => body,
        Ok(Err(answer)) => return answer,
        Err(_) => {
            let answer = (StatusCode::REQUEST_TIMEOUT, [(CONNECTION, "close")], "the body did not come in time");
            return answer.into_response();
        }
    };
    seat.stay();
    let answer = next.run(Request::from_parts(head, Body::from(body))).await;
    drop(seat);
    answer
}

/// Makes API servers open another connection for their next request, and so reach another replica, once this one is
/// ending. If this process closed the connection later by itself, a request could just be on its way.
pub async fn part(State(ending): State<watch::Receiver<bool>>, request: Request, next: Next) -> Response {
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
    async fn whoever_has_been_there_for_the_longest_time_makes_room() {
        let room = Room::new(3, Duration::ZERO);
        let (mut first, mut second) = (room.try_enter(1).unwrap(), room.try_enter(2).unwrap());
        let third = room.try_enter(1).unwrap();
        assert!(first.told().now_or_never().is_some() && second.told().now_or_never().is_none());
        assert_eq!(room.taken(), 3);
        drop(first);
        assert_eq!(room.taken(), 3, "its room was given away already");
        drop(third);
        assert_eq!(room.taken(), 2);
        second.come_anew();
        let large = room.enter(3).await;
        assert!(second.told().now_or_never().is_some());
        drop(large);
        assert_eq!(room.taken(), 0);
    }

    #[tokio::test]
    async fn nobody_makes_room_within_the_first_moments() {
        let room = Room::new(1, LONG);
        let only = room.try_enter(1).unwrap();
        assert!(room.try_enter(1).is_err_and(|later| later > LONG / 2 && later <= LONG));
        let (waiting, ()) = tokio::join!(room.enter(1), async { drop(only) });
        assert_eq!(room.taken(), 1);
        drop(waiting);
    }

    #[tokio::test]
    async fn a_guest_that_may_stay_stays() {
        let room = Room::new(1, Duration::ZERO);
        let mut only = room.try_enter(1).unwrap();
        only.stay();
        assert!(room.try_enter(1).is_err());
        assert!(only.told().now_or_never().is_none());
        let (waiting, ()) = tokio::join!(room.enter(1), async { drop(only) });
        assert_eq!(room.taken(), 1);
        drop(waiting);
        assert!(room.try_enter(2).is_err(), "what is larger than the room never enters");
    }
}
