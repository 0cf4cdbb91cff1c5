//! A socket between an instance and the server which cuts the connection at a chosen moment of an append.
//!
//! It understands as much of PostgreSQL's protocol (version 3, "Message Formats") as it takes to know the statement
//! that writes to the ledger, whether prepared or in a transaction of its own, and where its answer ends.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// What every append's statement says and no other.
const WRITES: &[u8] = b"UPDATE ledger.head SET revision = revision + 1, size";
/// The port in socket names.
pub const PORT: u16 = 5432;

/// When a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The statement never leaves.
    BeforeStatement,
    /// Half of its bytes arrive.
    HalfStatement,
    /// All of it arrives; nobody waits for the answer.
    AfterStatement,
    /// The server has answered, and the answer is lost.
    BeforeAnswer,
    /// Half of the answer's bytes come through.
    HalfAnswer,
    /// The server has committed and then breaks down with an error, as when a disk fails to confirm what it holds.
    PanicForAnswer,
}

/// An error of the server's: severity, the same untranslated, code (io_error), message.
const PANIC: &[u8] = b"SPANIC\0VPANIC\0C58030\0Mcould not fsync the log\0\0";

impl Moment {
    pub const ALL: [Self; 6] = [
        Self::BeforeStatement,
        Self::HalfStatement,
        Self::AfterStatement,
        Self::BeforeAnswer,
        Self::HalfAnswer,
        Self::PanicForAnswer,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeStatement => "connection cut before the statement",
            Self::HalfStatement => "connection cut within the statement",
            Self::AfterStatement => "connection cut after the statement",
            Self::BeforeAnswer => "connection cut before the answer",
            Self::HalfAnswer => "connection cut within the answer",
            Self::PanicForAnswer => "a commit answered by the server's breakdown",
        }
    }
}

#[derive(Default)]
struct Shared {
    armed: Mutex<Option<Moment>>,
    cuts: AtomicUsize,
    stopped: AtomicBool,
}

/// The running proxy.
pub struct Proxy {
    dir: tempfile::TempDir,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Listens in a directory of its own, in front of the socket in `server`.
    pub fn start(server: &Path) -> Self {
        let dir = tempfile::tempdir().expect("a directory for a socket");
        let listener = UnixListener::bind(dir.path().join(socket())).expect("a socket");
        let shared = Arc::<Shared>::default();
        let (to, state) = (server.join(socket()), shared.clone());
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, to.clone(), state.clone()));
            }
        });
        Self { dir, shared, listening }
    }

    /// Where instances connect to.
    pub fn socket_dir(&self) -> &Path {
        self.dir.path()
    }

    /// Cuts the next connection that gets to this moment.
    pub fn arm(&self, moment: Moment) {
        *self.shared.armed.lock().expect("no holder panics") = Some(moment);
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.listening.abort();
    }
}

fn socket() -> String {
    format!(".s.PGSQL.{PORT}")
}

async fn serve(client: UnixStream, to: PathBuf, shared: Arc<Shared>) {
    // A server that is being started again is waited for, as by a client that is refused.
    let server = loop {
        match UnixStream::connect(&to).await {
            Ok(server) => break server,
            Err(_) if shared.stopped.load(Ordering::SeqCst) => return,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    // However it ends, both sides see a connection that is gone.
    let _ = Connection::new(client, server, shared).run().await;
}

struct Connection {
    client: UnixStream,
    server: UnixStream,
    shared: Arc<Shared>,
    /// Bytes of the client that are no whole message yet.
    asked: Vec<u8>,
    started: bool,
    /// Prepared statements that write to the ledger.
    writing: HashSet<Vec<u8>>,
    /// Within a transaction that a statement of its own began and will end.
    in_transaction: bool,
    /// Set while the answer is held back that is to be lost.
    losing: Option<Moment>,
    answer: Vec<u8>,
}

/// The connection is over.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl Connection {
    fn new(client: UnixStream, server: UnixStream, shared: Arc<Shared>) -> Self {
        Self {
            client,
            server,
            shared,
            asked: Vec::new(),
            started: false,
            writing: HashSet::new(),
            in_transaction: false,
            losing: None,
            answer: Vec::new(),
        }
    }

    async fn run(&mut self) -> Result<(), Over> {
        let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
        loop {
            tokio::select! {
                read = self.client.read(&mut from_client) => {
                    let read = read?;
                    if read == 0 {
                        return Err(Over);
                    }
                    self.asked.extend_from_slice(&from_client[..read]);
                    self.forward().await?;
                }
                read = self.server.read(&mut from_server) => {
                    let read = read?;
                    if read == 0 {
                        return Err(Over);
                    }
                    self.answered(&from_server[..read]).await?;
                }
            }
        }
    }

    /// Passes on the client's whole messages, up to the one at which the connection is cut.
    async fn forward(&mut self) -> Result<(), Over> {
        while let Some(length) = self.message() {
            let message: Vec<u8> = self.asked.drain(..length).collect();
            let moment =
                if self.commits(&message) { self.shared.armed.lock().expect("no holder panics").take() } else { None };
            if moment.is_some() {
                self.shared.cuts.fetch_add(1, Ordering::SeqCst);
            }
            match moment {
                None => self.server.write_all(&message).await?,
                Some(Moment::BeforeStatement) => return Err(Over),
                Some(Moment::HalfStatement) => {
                    self.server.write_all(&message[..length / 2]).await?;
                    return Err(Over);
                }
                Some(Moment::AfterStatement) => {
                    self.server.write_all(&message).await?;
                    // Execute and Sync follow a Bind; without them the server would do nothing.
                    if message[0] == b'B' {
                        self.until_sync().await?;
                    }
                    return Err(Over);
                }
                Some(moment @ (Moment::BeforeAnswer | Moment::HalfAnswer | Moment::PanicForAnswer)) => {
                    self.losing = Some(moment);
                    self.server.write_all(&message).await?;
                }
            }
        }
        Ok(())
    }

    async fn until_sync(&mut self) -> Result<(), Over> {
        loop {
            while let Some(length) = self.message() {
                let message: Vec<u8> = self.asked.drain(..length).collect();
                self.server.write_all(&message).await?;
                if message[0] == b'S' {
                    return Ok(());
                }
            }
            if self.client.read_buf(&mut self.asked).await? == 0 {
                return Err(Over);
            }
        }
    }

    /// Length of the first message if it is whole; the very first has no type.
    fn message(&mut self) -> Option<usize> {
        let typed = usize::from(self.started);
        let length = self.asked.get(typed..typed + 4)?;
        let length = typed + u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
        let whole = self.asked.len() >= length;
        self.started |= whole;
        whole.then_some(length)
    }

    /// Whether the message makes the server commit events: a statement alone, or the end of a transaction with one.
    fn commits(&mut self, message: &[u8]) -> bool {
        let text = |from: usize| message.get(from..).and_then(|rest| rest.split(|byte| *byte == 0).next());
        match message.first() {
            Some(b'P') => {
                let name = text(5).unwrap_or_default().to_vec();
                if message.windows(WRITES.len()).any(|window| window == WRITES) {
                    self.writing.insert(name);
                } else {
                    self.writing.remove(&name);
                }
                false
            }
            // Destination portal, then the statement's name.
            Some(b'B') => {
                let portal = text(5).unwrap_or_default().len();
                let writes = text(6 + portal).is_some_and(|statement| self.writing.contains(statement));
                writes && !self.in_transaction
            }
            Some(b'Q') => {
                let says = |word: &[u8]| message.windows(word.len()).any(|window| window == word);
                let commits = says(b"COMMIT");
                self.in_transaction = says(b"BEGIN") || (self.in_transaction && !commits && !says(b"ROLLBACK"));
                commits && !self.writing.is_empty()
            }
            _ => false,
        }
    }

    async fn answered(&mut self, bytes: &[u8]) -> Result<(), Over> {
        let Some(moment) = self.losing else {
            self.client.write_all(bytes).await?;
            return Ok(());
        };
        self.answer.extend_from_slice(bytes);
        // ReadyForQuery: type, length 5, transaction status.
        let ready = self.answer.len() >= 6 && self.answer[self.answer.len() - 6..].starts_with(b"Z\0\0\0\x05");
        if !ready {
            return Ok(());
        }
        if moment == Moment::HalfAnswer {
            self.client.write_all(&self.answer[..self.answer.len() / 2]).await?;
        }
        if moment == Moment::PanicForAnswer {
            let length = u32::try_from(4 + PANIC.len()).expect("it is short").to_be_bytes();
            self.client.write_all(&[b"E", &length[..], PANIC].concat()).await?;
        }
        Err(Over)
    }
}
