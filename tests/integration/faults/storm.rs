//! One random fault after another, from a seed.
//!
//! Two instances append to one server, one of them through a proxy that can cut its connections. Each round orders
//! units, does one thing to the instances or the server in the middle of them, waits for every answer that is still
//! owed, and examines. A new server every so many rounds keeps the examinations short.
//!
//! `FAULTS_MINUTES` makes it as long as that, `FAULTS_SEED` repeats a run: the same faults in the same order, though
//! not to the microsecond.

use super::examine::Examiner;
use super::instance::{Instance, Said, complaints};
use super::proxy::{Moment, Proxy};
use super::server::Server;
use ledger::postgres::Role;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Set in the environment of the process in which a storm runs.
const ALONE: &str = "FAULTS_ALONE";
/// Faults in a bounded run, if they fit into the time below.
const ENOUGH: usize = 48;
/// Longest bounded run.
const BOUND: Duration = Duration::from_secs(100);
/// Rounds on one server.
const EPISODE: usize = 16;
/// How long every answer owed after a fault may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What can happen.
#[derive(Clone, Copy, Debug)]
enum Fault {
    KillInstance,
    KillServer,
    KillBackend,
    KillBoth,
    KillEverything,
    StopServer,
    EndSessions,
    Cut(Moment),
    LimitFiles,
    FillDisk,
    ClockBack,
    Freeze,
}

impl Fault {
    fn random(random: &mut StdRng) -> Self {
        match random.random_range(0..21) {
            0 | 1 => Self::KillInstance,
            2 | 3 => Self::KillServer,
            4 | 5 => Self::KillBackend,
            6 => Self::KillBoth,
            7 => Self::KillEverything,
            8 => Self::StopServer,
            9 => Self::EndSessions,
            10..16 => Self::Cut(Moment::ALL[random.random_range(0..Moment::ALL.len())]),
            16 => Self::LimitFiles,
            17 => Self::FillDisk,
            18 | 19 => Self::ClockBack,
            _ => Self::Freeze,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::KillInstance => "kill -9 of an instance",
            Self::KillServer => "kill -9 of the postmaster",
            Self::KillBackend => "kill -9 of a process of PostgreSQL",
            Self::KillBoth => "kill -9 of an instance and the postmaster",
            Self::KillEverything => "kill -9 of both instances and the postmaster",
            Self::StopServer => "PostgreSQL stopped (fast shutdown)",
            Self::EndSessions => "every session ended by the server",
            Self::Cut(moment) => moment.name(),
            Self::LimitFiles => "no room to write (limit of file size)",
            Self::FillDisk => "disk full",
            Self::ClockBack => "clock of an instance stepped back",
            Self::Freeze => "an instance frozen for a while",
        }
    }
}

/// One server, two instances.
struct Scene {
    server: Server,
    proxy: Proxy,
    instances: Vec<Option<Instance>>,
    said: Arc<Mutex<Said>>,
    examiner: Examiner,
}

impl Scene {
    async fn start() -> Self {
        let server = Server::start().await;
        let proxy = Proxy::start(&server.socket_dir());
        let mut scene =
            Self { server, proxy, instances: vec![None, None], said: Arc::default(), examiner: Examiner::default() };
        scene.fill_up();
        scene
    }

    /// Starts the instances that are missing: the first through the proxy, the second without.
    fn fill_up(&mut self) {
        for (index, place) in self.instances.iter_mut().enumerate() {
            let socket = if index == 0 { self.proxy.socket_dir().to_owned() } else { self.server.socket_dir() };
            place.get_or_insert_with(|| Instance::start(self.server.data(), &socket, self.said.clone()));
        }
    }

    fn kill(&mut self, index: usize) {
        if let Some(instance) = self.instances[index].take() {
            instance.kill();
        }
    }

    fn answers(&self) -> usize {
        self.said.lock().expect("no holder panics").answers()
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{what}\n{}", complaints(self.server.data()));
    }

    /// Waits until so many more units have been answered for.
    async fn progress(&self, count: usize) {
        let (from, began) = (self.answers(), Instant::now());
        while self.answers() < from + count && self.instances.iter().flatten().any(|instance| instance.owed() > 0) {
            if began.elapsed() > PATIENCE {
                self.fail("the instances are stuck");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until nobody owes an answer.
    async fn settle(&self) {
        let began = Instant::now();
        while let Some(owed) = self.instances.iter().flatten().map(Instance::owed).find(|owed| *owed > 0) {
            if began.elapsed() > PATIENCE {
                self.fail(&format!("{owed} units were never answered for"));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// A round with this fault in its middle. Says whether it took place.
    async fn round(&mut self, fault: Fault, random: &mut StdRng) -> bool {
        self.fill_up();
        for instance in self.instances.iter_mut().flatten() {
            instance.append(random.random_range(12..40));
        }
        self.progress(random.random_range(1..20)).await;
        let took_place = self.strike(fault, random).await;
        self.fill_up();
        // Whatever happened, each of them can append afterwards.
        for instance in self.instances.iter_mut().flatten() {
            instance.append(3);
        }
        self.settle().await;
        self.examiner.examine(self.server.data(), &self.said).await;
        took_place
    }

    async fn strike(&mut self, fault: Fault, random: &mut StdRng) -> bool {
        let one = random.random_range(0..2);
        match fault {
            Fault::KillInstance => self.kill(one),
            Fault::KillServer => return self.server.signal(Signal::KILL),
            Fault::KillBackend => return self.server.kill_child(random),
            Fault::KillBoth => {
                let killed = self.server.signal(Signal::KILL);
                self.kill(one);
                return killed;
            }
            Fault::KillEverything => {
                self.kill(one);
                let killed = self.server.signal(Signal::KILL);
                self.kill(1 - one);
                return killed;
            }
            Fault::StopServer => return self.server.signal(Signal::INT),
            Fault::EndSessions => return self.end_sessions().await,
            Fault::Cut(moment) => return self.cut(moment).await,
            Fault::LimitFiles => {
                let before = self.server.refusals();
                self.server.take_room(random).await;
                let bitten = self.until_trouble(before, random).await;
                self.server.give_room();
                return bitten;
            }
            Fault::FillDisk if !self.server.is_alone() => return false,
            Fault::FillDisk => {
                let before = self.server.refusals();
                let ballast = self.server.fill();
                let bitten = self.until_trouble(before, random).await;
                std::fs::remove_file(ballast).expect("the ballast is ours");
                return bitten;
            }
            Fault::ClockBack => {
                let back = -random.random_range(1..100_000_000);
                if let Some(instance) = &mut self.instances[one] {
                    instance.set_clock(back);
                    instance.append(10);
                }
                self.progress(random.random_range(1..10)).await;
            }
            Fault::Freeze => {
                if let Some(instance) = &self.instances[one] {
                    instance.signal(Signal::STOP);
                }
                tokio::time::sleep(Duration::from_millis(random.random_range(50..1_500))).await;
                if let Some(instance) = &self.instances[one] {
                    instance.signal(Signal::CONT);
                }
            }
        }
        true
    }

    async fn end_sessions(&self) -> bool {
        let (database, ledger) = super::open(self.server.data()).await;
        ledger.close().await;
        let owner = database.pool(Role::Owner, 1).await.expect("a pool");
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        let ended: i64 = sqlx::query_scalar(sql).fetch_one(&owner).await.expect("sessions are ended");
        owner.close().await;
        database.close().await;
        ended > 0
    }

    async fn cut(&mut self, moment: Moment) -> bool {
        let before = self.proxy.cuts();
        self.proxy.arm(moment);
        let began = Instant::now();
        while self.proxy.cuts() == before {
            if began.elapsed() > PATIENCE {
                self.fail("the proxy found nothing to cut");
            }
            if self.instances[0].as_ref().is_some_and(|instance| instance.owed() == 0) {
                self.instances[0].as_mut().expect("it is there").append(5);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        true
    }

    /// Orders units until the server has been refused a write, and then for as long as it takes to be in the middle
    /// of whatever that leads to.
    async fn until_trouble(&mut self, before: usize, random: &mut StdRng) -> bool {
        let began = Instant::now();
        // The server's log may be on the full disk itself.
        let refused = |scene: &Self| scene.said.lock().expect("no holder panics").refused.len();
        let units = refused(self);
        while self.server.refusals() == before && refused(self) == units {
            if began.elapsed() > PATIENCE {
                return false;
            }
            for instance in self.instances.iter_mut().flatten().filter(|instance| instance.owed() < 6) {
                instance.append(12);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..400))).await;
        true
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// In a process of its own: limits that it sets for the server must not meet the servers of other tests.
#[test]
fn no_fault_loses_doubles_or_halves_anything() {
    const NAME: &str = "faults::storm::no_fault_loses_doubles_or_halves_anything";
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        return runtime.block_on(storm());
    }
    let mut alone = Command::new(std::env::current_exe().expect("a path"));
    alone.args(["--exact", NAME, "--nocapture"]).env(ALONE, "").stdin(Stdio::null());
    let mut child = alone.spawn().expect("it starts");
    let status = child.wait().expect("it ends");
    assert!(status.success(), "a fault did harm");
}

async fn storm() {
    let seed = number("FAULTS_SEED").unwrap_or_else(|| rand::rng().random());
    let minutes = number("FAULTS_MINUTES");
    println!("faults from seed {seed}; to repeat them: FAULTS_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (began, mut counts) = (Instant::now(), BTreeMap::<&str, usize>::new());
    let over = |count: usize| match minutes {
        Some(minutes) => began.elapsed() > Duration::from_secs(60 * minutes),
        None => count >= ENOUGH || began.elapsed() > BOUND,
    };
    let (mut count, mut events, mut answers) = (0, 0, [0; 3]);
    while !over(count) {
        let mut scene = Scene::start().await;
        for _ in 0..EPISODE {
            let fault = Fault::random(&mut random);
            let took_place = scene.round(fault, &mut random).await;
            if took_place {
                *counts.entry(fault.name()).or_default() += 1;
                count += 1;
            }
            if minutes.is_some() {
                let (events, took_place) =
                    (scene.examiner.events(), if took_place { "" } else { ": could not be done" });
                println!("{:>7.1} s  {events:>6} events  {}{took_place}", began.elapsed().as_secs_f64(), fault.name());
            }
            if over(count) {
                break;
            }
        }
        scene.examiner.verify(scene.server.data()).await;
        events += scene.examiner.events();
        let said = scene.said.lock().expect("no holder panics");
        for (sum, of) in answers.iter_mut().zip([&said.acknowledged, &said.refused, &said.unconfirmed]) {
            *sum += of.len();
        }
    }
    let [acknowledged, refused, unconfirmed] = answers;
    for (name, count) in &counts {
        println!("{count:>5}  {name}");
    }
    println!(
        "{count:>5}  faults in {:.0} s, {events} events; of the units {acknowledged} acknowledged, {refused} refused, \
         {unconfirmed} unconfirmed",
        began.elapsed().as_secs_f64()
    );
    assert!(count > 0);
}
