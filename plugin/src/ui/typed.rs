//! The bytes of standard input, for a stream.

use std::io::Read;

use tokio::sync::mpsc::{Receiver, channel};

/// The most bytes in one message.
const MOST: usize = 16 << 10;
/// The most messages that wait for the stream.
const WAITING: usize = 4;

/// Reads standard input until its end. The thread ends with the process, because a read of a terminal cannot be
/// cancelled.
pub(crate) fn typed() -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel(WAITING);
    std::thread::spawn(move || {
        let mut buffer = vec![0; MOST];
        loop {
            let read = match std::io::stdin().read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => buffer.get(..read).unwrap_or_default().to_vec(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            if sender.blocking_send(read).is_err() {
                break;
            }
        }
    });
    receiver
}
