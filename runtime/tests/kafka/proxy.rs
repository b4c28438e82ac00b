//! A proxy before the broker: it breaks every connection around one commit and keeps them broken for a while, holds a
//! commit back until it is late, hides what the broker can do, answers in its place, or takes no connection at all. It
//! counts what is asked.
//!
//! It reads Kafka's frames (four bytes of length, then for requests the number of the call), and puts its own port in
//! place of the broker's wherever an answer names the broker, so that clients come back to it.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Calls by the numbers of their questions.
type Asked = Mutex<BTreeMap<Vec<u8>, u16>>;

/// Where the connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The broker ends the transaction, and its answer is lost.
    LoseAnswer,
    /// The broker is never asked to end the transaction.
    LoseRequest,
    /// The broker is asked when [`Proxy::release`] says so.
    Late,
}

/// An error that the proxy answers with in the broker's place: to this call, at this place in the answer.
#[derive(Clone, Copy, Debug)]
struct Forged {
    call: u16,
    at: usize,
    code: i16,
}

/// Numbers of calls: what versions there are, adding a group to a transaction, ending one, initialising a producer.
const API_VERSIONS: u16 = 18;
pub(crate) const ADD_OFFSETS: u16 = 25;
const END_TXN: u16 = 26;
pub(crate) const INIT_PRODUCER_ID: u16 = 22;

struct Shared {
    broker: String,
    broker_port: u32,
    port: u32,
    armed: Mutex<Option<Fault>>,
    struck: AtomicBool,
    /// Nobody is told how the transaction ended, until a new producer is initialised.
    away: AtomicBool,
    /// No connection is taken, and none is left.
    cut: AtomicBool,
    /// How often each call was asked for.
    calls: Mutex<BTreeMap<u16, usize>>,
    /// A call that the broker does not seem to know.
    hidden: Mutex<Option<u16>>,
    forged: Mutex<Option<Forged>>,
    /// Whether what is late may go on.
    released: (Mutex<bool>, Condvar),
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
            cut: AtomicBool::new(false),
            calls: Mutex::default(),
            hidden: Mutex::new(None),
            forged: Mutex::new(None),
            released: (Mutex::new(false), Condvar::new()),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !accepting.cut.load(Ordering::Acquire) {
                    accepting.serve(&client);
                }
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

    /// The broker is away, until it is not.
    pub(crate) fn cut(&self, is_away: bool) {
        self.0.cut.store(is_away, Ordering::Release);
    }

    /// The broker says that it knows no transactions.
    pub(crate) fn hide_transactions(&self) {
        *self.0.hidden.lock().expect("nobody panics with the lock") = Some(INIT_PRODUCER_ID);
    }

    /// The broker refuses the group to whoever asks in a transaction (GROUP_AUTHORIZATION_FAILED).
    pub(crate) fn refuse_groups(&self) {
        self.answer_groups(Some(30));
    }

    /// The broker asks whoever names a group in a transaction to try again (CONCURRENT_TRANSACTIONS), until it does not.
    pub(crate) fn put_groups_off(&self, is_busy: bool) {
        self.answer_groups(is_busy.then_some(51));
    }

    fn answer_groups(&self, code: Option<i16>) {
        // Behind the length, the number of the question and the throttle time.
        let forged = code.map(|code| Forged { call: ADD_OFFSETS, at: 12, code });
        *self.0.forged.lock().expect("nobody panics with the lock") = forged;
    }

    /// How often this was asked for.
    pub(crate) fn asked(&self, call: u16) -> usize {
        self.0.calls.lock().expect("nobody panics with the lock").get(&call).copied().unwrap_or_default()
    }

    /// What is late goes on.
    pub(crate) fn release(&self) {
        *self.0.released.0.lock().expect("nobody panics with the lock") = true;
        self.0.released.1.notify_all();
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
        // Which calls wait for an answer, by the number of the question.
        let asked = Arc::new(Mutex::new(BTreeMap::new()));
        let asking = Arc::clone(&asked);
        let (requests, answers) = (Arc::clone(self), Arc::clone(self));
        let lost = Arc::clone(&losing);
        thread::spawn(move || {
            requests.requests(client_in, broker_out, &losing, &asking);
        });
        thread::spawn(move || {
            answers.answers(broker_in, client_out, &lost, &asked);
        });
    }

    fn requests(&self, mut client: TcpStream, mut broker: TcpStream, losing: &AtomicBool, asked: &Asked) {
        while let Some(frame) = frame(&mut client) {
            if self.cut.load(Ordering::Acquire) {
                break;
            }
            let call = u16::from_be_bytes([frame[4], frame[5]]);
            if let Some(number) = frame.get(8..12) {
                asked.lock().expect("nobody panics with the lock").insert(number.to_vec(), call);
            }
            *self.calls.lock().expect("nobody panics with the lock").entry(call).or_default() += 1;
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
                    self.away.store(fault != Some(Fault::Late), Ordering::Release);
                }
                match fault {
                    Some(Fault::Late) => {
                        let (released, told) = &self.released;
                        let released = released.lock().expect("nobody panics with the lock");
                        drop(told.wait_while(released, |released| !*released));
                    }
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

    fn answers(&self, mut broker: TcpStream, mut client: TcpStream, losing: &AtomicBool, asked: &Asked) {
        while let Some(mut frame) = frame(&mut broker) {
            if losing.load(Ordering::Acquire) || self.cut.load(Ordering::Acquire) {
                break;
            }
            let number = frame.get(4..8).unwrap_or_default().to_vec();
            let call = asked.lock().expect("nobody panics with the lock").remove(&number);
            if call == Some(API_VERSIONS) {
                self.hide(&mut frame);
            }
            let forged = *self.forged.lock().expect("nobody panics with the lock");
            if let Some(forged) = forged.filter(|forged| call == Some(forged.call)) {
                self.struck.store(true, Ordering::Release);
                frame[forged.at..forged.at + 2].copy_from_slice(&forged.code.to_be_bytes());
            }
            self.rename(&mut frame);
            if client.write_all(&frame).is_err() {
                break;
            }
        }
        close(&client, &broker);
    }

    /// Gives a hidden call a number that nobody knows, in the answer that lists calls with their versions: entries of two
    /// bytes each for the call, its least and its greatest version (and from version 3 on a byte of tags), behind the
    /// length, the number of the question, an error and their count.
    fn hide(&self, frame: &mut [u8]) {
        let hidden = *self.hidden.lock().expect("nobody panics with the lock");
        let Some(hidden) = hidden else { return };
        for (begin, size) in [(11, 7), (14, 6)] {
            let mut places = (begin..frame.len().saturating_sub(6)).step_by(size);
            let fits = |place: &usize| {
                let entry = &frame[*place..*place + 6];
                entry[..2] == hidden.to_be_bytes() && entry[2] == 0 && entry[4] == 0
            };
            if let Some(place) = places.find(fits) {
                frame[place..place + 2].copy_from_slice(&1022_u16.to_be_bytes());
                self.struck.store(true, Ordering::Release);
                return;
            }
        }
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
