//! Local ports that lead to the guest of a VM. Each connection has a stream of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use cmp_client::ApiError;
use cmp_client::streams::{self, End};
use cmp_core::name::InstanceName;
use kube::Client;

use crate::commands::shared::guest::Guest;
use crate::context::Context;
use crate::error::CliError;

/// The most bytes in one message.
const MOST: usize = 32 << 10;
/// How long the VM may be silent after the local program has closed its half. The VM does not learn of that.
const SILENCE: Duration = Duration::from_secs(10);

/// A local address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    /// The IPv4 and the IPv6 address of this machine itself.
    Localhost,
    /// One address.
    Ip(IpAddr),
}

/// Parses `localhost` or an IP address.
pub(crate) fn address(text: &str) -> Result<Address, String> {
    match text.parse() {
        Ok(ip) => Ok(Address::Ip(ip)),
        Err(_) if text == "localhost" => Ok(Address::Localhost),
        Err(_) => Err(format!("{text:?} is not an address to listen on: use localhost or an IP address")),
    }
}

/// A local port, and the end in the VM that its connections lead to.
pub(crate) struct Door {
    listener: TcpListener,
    end: End,
    /// The local address with the port.
    pub(crate) local: SocketAddr,
}

/// Listens on one port of each address. For port 0 the system chooses one, which all addresses share.
pub(crate) async fn listen(addresses: &[Address], mut port: u16, end: End) -> Result<Vec<Door>, CliError> {
    let mut doors: Vec<Door> = Vec::new();
    for address in addresses {
        let ips = match address {
            // Many machines have only one of both.
            Address::Localhost => vec![IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)],
            Address::Ip(ip) => vec![*ip],
        };
        let mut failures = Vec::new();
        let before = doors.len();
        for ip in ips {
            match bind(SocketAddr::new(ip, port), end).await {
                Ok(door) => {
                    port = door.local.port();
                    doors.push(door);
                }
                Err(error) => failures.push(format!("{}: {error}", SocketAddr::new(ip, port))),
            }
        }
        if doors.len() == before {
            return Err(CliError::user(format!("unable to listen on port {port}: {}", failures.join("; ")))
                .hint("choose another local port, as in 8080:80, or any free one, as in :80"));
        }
    }
    Ok(doors)
}

async fn bind(address: SocketAddr, end: End) -> std::io::Result<Door> {
    let listener = TcpListener::bind(address).await?;
    let local = listener.local_addr()?;
    Ok(Door { listener, end, local })
}

/// Connects everything that comes to the doors with the guest, until the guest is gone. Returns the reason.
pub(crate) async fn serve(
    context: &Context<'_>,
    guest: &Guest,
    doors: Vec<Door>,
    handling: impl Fn(SocketAddr),
) -> Result<(), CliError> {
    let client = context.client().await?;
    let (failed, mut failures) = unbounded_channel();
    let (came, mut comes) = unbounded_channel();
    // The tasks end with this function.
    let mut tasks = JoinSet::new();
    for door in doors {
        tasks.spawn(accept(door, came.clone()));
    }
    let mut gone = std::pin::pin!(guest.gone());
    loop {
        tokio::select! {
            gone = &mut gone => return Err(gone.error()),
            Some((connection, local, end)) = comes.recv() => {
                handling(local);
                let (client, name, failed) = (client.clone(), guest.name().clone(), failed.clone());
                tasks.spawn(async move {
                    if let Err(error) = carry(&client, &name, end, connection).await {
                        failed.send(error.about(&format!("error handling a connection to {local}"))).ok();
                    }
                });
            }
            Some(error) = failures.recv() => context.ui.note(error.message()),
            // Ended connections are forgotten.
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Accepts connections as long as they are wanted.
async fn accept(door: Door, came: UnboundedSender<(TcpStream, SocketAddr, End)>) {
    loop {
        match door.listener.accept().await {
            Ok((connection, _)) => {
                if came.send((connection, door.local, door.end)).is_err() {
                    return;
                }
            }
            // The process has no file descriptor left, or the connection has ended. The next one may work.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Carries one connection to an end in the VM, and back.
async fn carry(client: &Client, name: &InstanceName, end: End, connection: TcpStream) -> Result<(), CliError> {
    let (mut sender, mut receiver) =
        streams::open(client, name, end).await.map_err(|error| refused(error, name, end))?;
    connection.set_nodelay(true).ok();
    let (mut reader, mut writer) = connection.into_split();
    // A task of its own: both directions flow independently.
    let mut upward = tokio::spawn(async move {
        let mut buffer = vec![0; MOST];
        while let Ok(read @ 1..) = reader.read(&mut buffer).await {
            if sender.send(buffer.get(..read).unwrap_or_default().to_vec()).await.is_err() {
                break;
            }
        }
        sender
    });
    let mut half = None;
    loop {
        tokio::select! {
            sender = &mut upward, if half.is_none() => half = Some(sender),
            received = receiver.next() => match received? {
                Some(bytes) => if writer.write_all(&bytes).await.is_err() {
                    // The local program has ended, which is no failure.
                    break;
                },
                None => break,
            },
            () = tokio::time::sleep(SILENCE), if half.is_some() => break,
        }
    }
    match half {
        Some(Ok(mut sender)) => sender.close().await,
        Some(Err(_)) => {}
        None => upward.abort(),
    }
    // The local program may have closed its end already.
    writer.shutdown().await.ok();
    Ok(())
}

/// Returns the error of a stream that KubeVirt does not open.
pub(crate) fn refused(error: ApiError, name: &InstanceName, end: End) -> CliError {
    let unanswered = matches!(error, ApiError::Refused { code: 500, .. });
    let error = CliError::from(error);
    match end {
        // KubeVirt reports its own failed connection as an internal error.
        End::Port(port) if unanswered => error
            .hint(format!("does a program in {name} listen on port {port}? A VM needs some time after its start"))
            .hint(format!("kubectl cmp console {name}")),
        End::Port(_) | End::Console | End::Screen => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_localhost_or_an_ip() {
        assert_eq!(address("localhost"), Ok(Address::Localhost));
        assert_eq!(address("0.0.0.0"), Ok(Address::Ip(Ipv4Addr::UNSPECIFIED.into())));
        assert_eq!(address("::1"), Ok(Address::Ip(Ipv6Addr::LOCALHOST.into())));
        for wrong in ["", "example.com", "127.0.0.1:80", "[::1]"] {
            assert!(address(wrong).is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn all_addresses_share_a_port_and_a_taken_one_is_named() {
        let (v4, end) = (Address::Ip(Ipv4Addr::LOCALHOST.into()), End::Port(80));
        let doors = listen(&[Address::Localhost], 0, end).await.unwrap();
        let ports: Vec<u16> = doors.iter().map(|door| door.local.port()).collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port > 0), "{ports:?}");
        let taken = listen(&[v4], ports[0], end).await.err().unwrap().text();
        let expected =
            format!("error: unable to listen on port {0}: 127.0.0.1:{0}: Address already in use\n", ports[0]);
        assert!(taken.starts_with(&expected), "{taken}");
    }

    #[test]
    fn a_port_that_nobody_answers_is_explained() {
        let name: InstanceName = "dev-0".parse().unwrap();
        let refusal = |code| ApiError::refused(code, "InternalError", "dialing VM: connection refused");
        let text = refused(refusal(500), &name, End::Port(22)).text();
        assert!(text.contains("hint: does a program in dev-0 listen on port 22?"), "{text}");
        assert!(!refused(refusal(409), &name, End::Port(22)).text().contains("hint"));
        assert!(!refused(refusal(500), &name, End::Console).text().contains("listen"));
    }
}
