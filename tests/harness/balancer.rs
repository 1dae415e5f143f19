//! A small TCP balancer. It stands in for a Kubernetes Service in front of several replicas.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::child::connect;

/// A listener on a port of its own. It hands each connection to the next backend in turn, and skips a backend that
/// refuses. It ends with the process.
#[derive(Clone)]
pub struct Balancer {
    port: u16,
    backends: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Balancer {
    /// Starts a balancer without backends.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let backends = Arc::<Mutex<Vec<SocketAddr>>>::default();
        let (shared, next) = (backends.clone(), AtomicUsize::new(0));
        thread::spawn(move || {
            for incoming in listener.incoming().flatten() {
                let backends = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let first = next.fetch_add(1, Ordering::Relaxed);
                // In a thread: a stopped backend must not keep the others from their connections.
                thread::spawn(move || {
                    let chosen = (0..backends.len()).find_map(|at| {
                        let backend = backends[(first + at) % backends.len()];
                        connect(backend).ok()
                    });
                    if let Some(outgoing) = chosen {
                        join(incoming, outgoing);
                    }
                });
            }
        });
        Self { port, backends }
    }

    /// Returns the port on loopback that the balancer listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Hands new connections to these backends from now on.
    pub fn set(&self, backends: Vec<SocketAddr>) {
        *self.backends.lock().unwrap_or_else(PoisonError::into_inner) = backends;
    }
}

fn join(a: TcpStream, b: TcpStream) {
    let (Ok(a2), Ok(b2)) = (a.try_clone(), b.try_clone()) else { return };
    // Like a Service, the balancer forwards data without delay.
    if a.set_nodelay(true).and_then(|()| b.set_nodelay(true)).is_err() {
        return;
    }
    for (mut from, mut to) in [(a, b), (b2, a2)] {
        thread::spawn(move || {
            // The end of one side ends the other side in that direction.
            let _copied = io::copy(&mut from, &mut to);
            let _closed = to.shutdown(Shutdown::Write);
        });
    }
}
