//! A proxy before the broker that breaks every connection around one commit, and keeps them broken for a while.
//!
//! It reads Kafka's frames (four bytes of length, then for requests the number of the call), and puts its own port in
//! place of the broker's wherever an answer names the broker, so that clients come back to it.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Where the connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The broker ends the transaction, and its answer is lost.
    LoseAnswer,
    /// The broker is never asked to end the transaction.
    LoseRequest,
}

/// The number of the call that ends a transaction, and of the one that initialises a producer.
const END_TXN: u16 = 26;
const INIT_PRODUCER_ID: u16 = 22;

struct Shared {
    broker: String,
    broker_port: u32,
    port: u32,
    armed: Mutex<Option<Fault>>,
    struck: AtomicBool,
    /// Nobody is told how the transaction ended, until a new producer is initialised.
    away: AtomicBool,
}

pub(crate) struct Proxy(Arc<Shared>);

impl Proxy {
    pub(crate) fn to(broker: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = u32::from(listener.local_addr().expect("it has an address").port());
        let broker_port = broker.rsplit(':').next().and_then(|port| port.parse().ok()).expect("host:port");
        let shared = Arc::new(Shared {
            broker: broker.to_owned(),
            broker_port,
            port,
            armed: Mutex::new(None),
            struck: AtomicBool::new(false),
            away: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.serve(&client);
            }
        });
        Self(shared)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.0.port)
    }

    /// The next commit meets this.
    pub(crate) fn arm(&self, fault: Fault) {
        *self.0.armed.lock().expect("nobody panics with the lock") = Some(fault);
    }

    pub(crate) fn has_struck(&self) -> bool {
        self.0.struck.load(Ordering::Acquire)
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, client: &TcpStream) {
        let Ok(broker) = TcpStream::connect(&self.broker) else { return };
        let pair = || Some((client.try_clone().ok()?, broker.try_clone().ok()?));
        let (Some((client_in, broker_out)), Some((client_out, broker_in))) = (pair(), pair()) else { return };
        let losing = Arc::new(AtomicBool::new(false));
        let (requests, answers) = (Arc::clone(self), Arc::clone(self));
        let lost = Arc::clone(&losing);
        thread::spawn(move || {
            requests.requests(client_in, broker_out, &losing);
        });
        thread::spawn(move || {
            answers.answers(broker_in, client_out, &lost);
        });
    }

    fn requests(&self, mut client: TcpStream, mut broker: TcpStream, losing: &AtomicBool) {
        while let Some(frame) = frame(&mut client) {
            let call = u16::from_be_bytes([frame[4], frame[5]]);
            if self.away.load(Ordering::Acquire) && call == END_TXN {
                // Asked again for the outcome: nobody answers. Whoever asks for a new producer has given up asking.
                break;
            }
            if call == INIT_PRODUCER_ID {
                self.away.store(false, Ordering::Release);
            }
            if call == END_TXN {
                let fault = self.armed.lock().expect("nobody panics with the lock").take();
                if fault.is_some() {
                    self.struck.store(true, Ordering::Release);
                    self.away.store(true, Ordering::Release);
                }
                match fault {
                    Some(Fault::LoseRequest) => break,
                    Some(Fault::LoseAnswer) => losing.store(true, Ordering::Release),
                    None => {}
                }
            }
            if broker.write_all(&frame).is_err() {
                break;
            }
        }
        close(&client, &broker);
    }

    fn answers(&self, mut broker: TcpStream, mut client: TcpStream, losing: &AtomicBool) {
        while let Some(mut frame) = frame(&mut broker) {
            if losing.load(Ordering::Acquire) {
                break;
            }
            self.rename(&mut frame);
            if client.write_all(&frame).is_err() {
                break;
            }
        }
        close(&client, &broker);
    }

    /// Puts our port behind the broker's host.
    fn rename(&self, frame: &mut [u8]) {
        let mut from = b"127.0.0.1".to_vec();
        from.extend(self.broker_port.to_be_bytes());
        let host = from.len() - 4;
        let mut begin = 0;
        while let Some(found) = frame[begin..].windows(from.len()).position(|window| window == from) {
            let port = begin + found + host;
            frame[port..port + 4].copy_from_slice(&self.port.to_be_bytes());
            begin = port;
        }
    }
}

/// One frame with its length; none when the connection has ended.
fn frame(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).ok()?;
    let size = usize::try_from(u32::from_be_bytes(length)).ok().filter(|size| (2..1 << 27).contains(size))?;
    let mut frame = length.to_vec();
    frame.resize(4 + size, 0);
    from.read_exact(&mut frame[4..]).ok()?;
    Some(frame)
}

fn close(client: &TcpStream, broker: &TcpStream) {
    for stream in [client, broker] {
        // It may be closed already.
        drop(stream.shutdown(Shutdown::Both));
    }
}
