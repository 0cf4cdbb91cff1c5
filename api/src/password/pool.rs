//! Argon2id on a few threads of its own.
//!
//! Hashing is made to be slow and to fill memory, so it must not run on the threads that serve requests, and
//! there must never be more of it at once than there are cores. Each thread keeps one block of memory for
//! good, wiped after each use: allocating 19 MiB anew for each hash costs more than a sixth of the throughput.
//! Past the queue's capacity a caller is told at once that the service is busy.

use super::{Password, Settings};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version};
use aws_lc_rs::{constant_time, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;
use zeroize::{Zeroize as _, Zeroizing};

const OUTPUT_LEN: usize = 32;
const SALT_LEN: usize = 16;

/// A password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The queue is full: try again in a moment.
    #[error("too many passwords wait to be checked")]
    Busy,
    /// What is stored is no Argon2 hash this version understands. Nobody gets in by it.
    #[error("a stored password hash can't be read")]
    Stored,
    /// The settings are not possible.
    #[error("password hashing: {0}")]
    Settings(argon2::Error),
    /// No randomness, or no thread.
    #[error("the operating system gives no {0}")]
    System(&'static str),
}

/// The hashing threads. Cheap to clone; the threads end with the last clone.
#[derive(Clone)]
pub struct Pool {
    jobs: SyncSender<Job>,
    params: Params,
    /// What a stranger's password is compared with.
    nobody: Arc<str>,
}

struct Job {
    work: Work,
    password: Password,
    reply: oneshot::Sender<Result<Outcome, HashError>>,
}

enum Work {
    Hash([u8; SALT_LEN]),
    Verify(Zeroizing<String>),
}

enum Outcome {
    Hashed(Zeroizing<String>),
    Verified(bool),
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`HashError::Settings`] or [`HashError::System`].
    pub fn start(settings: &Settings) -> Result<Self, HashError> {
        let params = Params::new(settings.memory_kib, settings.passes, settings.lanes, Some(OUTPUT_LEN))
            .map_err(HashError::Settings)?;
        let nobody = format_phc(&params, &random::<SALT_LEN>()?, &random::<OUTPUT_LEN>()?);
        let (jobs, queue) = sync_channel(settings.queue.max(1));
        let queue = Arc::new(Mutex::new(queue));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for number in 0..if settings.threads == 0 { cores } else { settings.threads } {
            let (queue, blocks) = (Arc::clone(&queue), params.block_count());
            let params = params.clone();
            std::thread::Builder::new()
                .name(format!("argon2-{number}"))
                .spawn(move || work(&queue, &params, blocks))
                .map_err(|_| HashError::System("thread"))?;
        }
        Ok(Self { jobs, params, nobody: nobody.as_str().into() })
    }

    /// Hashes a password with a fresh salt, as a PHC string for the vault.
    ///
    /// # Errors
    /// [`HashError::Busy`] past the queue's capacity.
    pub async fn hash(&self, password: Password) -> Result<Zeroizing<String>, HashError> {
        match self.run(Work::Hash(random()?), password).await? {
            Outcome::Hashed(phc) => Ok(phc),
            Outcome::Verified(_) => unreachable!("a hash job answers with a hash"),
        }
    }

    /// Compares a password with a stored hash; without one it spends the same time and says no.
    ///
    /// # Errors
    /// [`HashError::Busy`] past the queue's capacity, [`HashError::Stored`] for a hash that can't be read.
    pub async fn verify(&self, password: Password, stored: Option<Zeroizing<String>>) -> Result<bool, HashError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| Zeroizing::new(self.nobody.as_ref().to_owned()));
        match self.run(Work::Verify(stored), password).await? {
            Outcome::Verified(same) => Ok(known && same),
            Outcome::Hashed(_) => unreachable!("a comparison answers with yes or no"),
        }
    }

    /// Whether a stored hash was made with other settings than today's and is worth replacing.
    pub fn is_outdated(&self, stored: &str) -> bool {
        let made = PasswordHash::new(stored).ok().and_then(|hash| Params::try_from(&hash).ok());
        made.is_none_or(|made| {
            (made.m_cost(), made.t_cost(), made.p_cost())
                != (self.params.m_cost(), self.params.t_cost(), self.params.p_cost())
        })
    }

    async fn run(&self, work: Work, password: Password) -> Result<Outcome, HashError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job { work, password, reply }).map_err(|error| match error {
            TrySendError::Full(_) => HashError::Busy,
            TrySendError::Disconnected(_) => HashError::System("hashing thread any more"),
        })?;
        answer.await.unwrap_or(Err(HashError::System("hashing thread any more")))
    }
}

/// One thread: takes jobs until the last [`Pool`] is gone.
fn work(queue: &Mutex<Receiver<Job>>, params: &Params, blocks: usize) {
    let mut memory = vec![Block::default(); blocks];
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { work, password, reply }) = job else { return };
        // Nobody waits any more: the browser has gone.
        if reply.is_closed() {
            continue;
        }
        let outcome = match work {
            Work::Hash(salt) => hash(params, &password, &salt, &mut memory),
            Work::Verify(stored) => verify(&stored, &password, &mut memory),
        };
        let _ = reply.send(outcome);
        // Block by block: wiping the vector as a whole would also empty it.
        memory.iter_mut().for_each(Block::zeroize);
    }
}

fn hash(params: &Params, password: &Password, salt: &[u8], memory: &mut [Block]) -> Result<Outcome, HashError> {
    let mut output = Zeroizing::new([0; OUTPUT_LEN]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(password.as_str().as_bytes(), salt, output.as_mut_slice(), memory)
        .map_err(HashError::Settings)?;
    Ok(Outcome::Hashed(format_phc(params, salt, output.as_slice())))
}

fn verify(stored: &str, password: &Password, memory: &mut Vec<Block>) -> Result<Outcome, HashError> {
    let parsed = PasswordHash::new(stored).map_err(|_| HashError::Stored)?;
    let params = Params::try_from(&parsed).map_err(|_| HashError::Stored)?;
    let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).map_err(|_| HashError::Stored)?;
    let version = parsed.version.map_or(Ok(Version::V0x13), Version::try_from).map_err(|_| HashError::Stored)?;
    let (Some(salt), Some(expected)) = (parsed.salt, parsed.hash) else { return Err(HashError::Stored) };
    // Made under costlier settings than today's: grow once, keep it.
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::default());
    }
    let mut output = Zeroizing::new(vec![0; expected.len()]);
    Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(password.as_str().as_bytes(), &salt, &mut output, memory)
        .map_err(|_| HashError::Stored)?;
    Ok(Outcome::Verified(constant_time::verify_slices_are_equal(&output, expected.as_bytes()).is_ok()))
}

/// The PHC string, e.g. `$argon2id$v=19$m=19456,t=2,p=1$…$…`.
fn format_phc(params: &Params, salt: &[u8], output: &[u8]) -> Zeroizing<String> {
    let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    let output = Zeroizing::new(STANDARD_NO_PAD.encode(output));
    let salt = STANDARD_NO_PAD.encode(salt);
    Zeroizing::new(format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${}", *output))
}

fn random<const N: usize>() -> Result<[u8; N], HashError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| HashError::System("randomness"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::PasswordVerifier as _;

    fn small() -> Settings {
        Settings { memory_kib: 64, passes: 1, threads: 1, ..Settings::default() }
    }

    fn password(text: &str) -> Password {
        Password::read(text).unwrap()
    }

    #[tokio::test]
    async fn a_hash_lets_in_its_own_password_only_and_is_standard() {
        let pool = Pool::start(&small()).unwrap();
        let phc = pool.hash(password("lapin malin dans le pré")).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{}", *phc);
        // The library's own reader agrees.
        Argon2::default().verify_password("lapin malin dans le pré".as_bytes(), phc.as_str()).unwrap();
        assert!(pool.verify(password("lapin malin dans le pré"), Some(phc.clone())).await.unwrap());
        assert!(!pool.verify(password("lapin malin dans le pre"), Some(phc)).await.unwrap());
    }

    #[tokio::test]
    async fn a_thread_uses_its_memory_again_and_again() {
        let pool = Pool::start(&small()).unwrap();
        for _ in 0..3 {
            let phc = pool.hash(password("lapin malin dans le pré")).await.unwrap();
            assert!(pool.verify(password("lapin malin dans le pré"), Some(phc)).await.unwrap());
        }
    }

    #[tokio::test]
    async fn hashes_of_other_settings_still_verify_and_are_seen_as_outdated() {
        let past = Pool::start(&Settings { memory_kib: 256, passes: 3, ..small() }).unwrap();
        let phc = past.hash(password("lapin malin dans le pré")).await.unwrap();
        let now = Pool::start(&small()).unwrap();
        assert!(now.verify(password("lapin malin dans le pré"), Some(phc.clone())).await.unwrap());
        assert!(now.is_outdated(&phc) && !past.is_outdated(&phc));
    }

    #[tokio::test]
    async fn point_37_nobody_has_no_password_but_costs_a_real_comparison() {
        let pool = Pool::start(&small()).unwrap();
        assert!(!pool.verify(password("lapin malin dans le pré"), None).await.unwrap());
        assert!(!pool.is_outdated(&pool.nobody));
    }

    #[tokio::test]
    async fn point_44_an_unreadable_hash_lets_nobody_in() {
        let pool = Pool::start(&small()).unwrap();
        let stored = Zeroizing::new("$2y$10$abcdefghijklmnopqrstuv".to_owned());
        assert!(matches!(pool.verify(password("x"), Some(stored)).await, Err(HashError::Stored)));
    }

    #[tokio::test]
    async fn a_full_queue_says_so_at_once() {
        let settings = Settings { memory_kib: 16 * 1024, passes: 4, threads: 1, queue: 1, ..Settings::default() };
        let pool = Pool::start(&settings).unwrap();
        let attempts = (0..8).map(|_| pool.hash(password("lapin malin dans le pré")));
        let outcomes = futures::future::join_all(attempts).await;
        assert!(outcomes.iter().any(Result::is_ok));
        assert!(outcomes.iter().any(|outcome| matches!(outcome, Err(HashError::Busy))));
    }
}
