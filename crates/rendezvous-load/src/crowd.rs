//! Many clients, each with a task of its own.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::client::TlsStream;

use crate::connection::{Connection, Refused};
use crate::figures::Figures;
use crate::manyhands::{self, now_ms};
use crate::orders::{Answer, Dozed, Order, Work};
use crate::{stream, syncthing};

/// So often a client tries to come online; between tries it waits as long as the server says.
const TRIES: u32 = 40;
/// … or so long when the server says nothing, and between heartbeats that failed.
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// Until everybody who is there has been listed to a new stream.
const READY: Duration = Duration::from_secs(60);
/// What the kernel takes in for the one who does not read.
const DOZER_BUFFER_BYTES: u32 = 4096;
/// Nothing more comes to the one who wakes up when nothing came for so long. Pings are rarer.
const QUIET: Duration = Duration::from_secs(3);

/// Which server the crowd is of.
pub enum Server {
    Manyhands(manyhands::Server),
    Syncthing(syncthing::Server),
}

/// All clients of this process.
pub struct Crowd {
    server: Arc<Server>,
    figures: Arc<Figures>,
    pace: watch::Sender<Pace>,
    clients: JoinSet<()>,
    dozer: Option<TlsStream<TcpStream>>,
}

/// What everybody does: nothing but what the server wants, or something in a hurry.
#[derive(Clone, Debug, Default)]
struct Pace {
    hurry: Option<Hurry>,
}

#[derive(Clone, Debug)]
struct Hurry {
    what: Work,
    every: Duration,
    fresh: bool,
    groups: Arc<[u32]>,
}

enum Client {
    Manyhands(Box<manyhands::Client>),
    Syncthing(syncthing::Client),
}

impl Crowd {
    pub fn new(server: Server) -> Self {
        Self {
            server: Arc::new(server),
            figures: Arc::default(),
            pace: watch::Sender::new(Pace::default()),
            clients: JoinSet::new(),
            dozer: None,
        }
    }

    pub async fn carry_out(&mut self, order: Order) -> Answer {
        match order {
            Order::Join { first, count, at_once, streams } => {
                self.join(first, count, at_once, streams).await;
            }
            Order::Hurry { what, every_ms, seconds, fresh, groups } => {
                let every = Duration::from_millis(every_ms.max(1));
                self.figures.take();
                let hurry = Hurry { what, every, fresh, groups: groups.into() };
                self.pace.send_replace(Pace { hurry: Some(hurry) });
                sleep(Duration::from_secs(seconds)).await;
                self.pace.send_replace(Pace::default());
            }
            Order::Visit { first, count, every_ms, stay_ms } => {
                self.visits(first, count, every_ms, stay_ms).await;
            }
            Order::Doze { first, groups } => {
                if let Err(refused) = self.doze(first, groups as usize).await {
                    self.figures.failed(&format!("dozing: {}", refused.why));
                }
            }
            Order::Wake => return Answer { dozed: self.wake().await, ..Answer::default() },
            Order::Tell => {}
        }
        self.figures.take()
    }

    /// Returns when all are there, or have given up.
    async fn join(&mut self, first: u32, count: u32, at_once: usize, streams: bool) {
        let turns = Arc::new(Semaphore::new(at_once.max(1)));
        let mut arrivals = Vec::new();
        for number in first..first.saturating_add(count) {
            let (told, arrived) = oneshot::channel::<()>();
            arrivals.push(arrived);
            let (server, figures, turns) =
                (self.server.clone(), self.figures.clone(), turns.clone());
            let pace = self.pace.subscribe();
            self.clients.spawn(async move {
                let joined = {
                    let _turn = turns.acquire().await;
                    join(&server, number, streams, &figures).await
                };
                drop(told);
                if let Some((client, next)) = joined {
                    live(client, server.group_of(number), next, pace, &figures).await;
                }
            });
        }
        for arrived in arrivals {
            // The other end is dropped, whether the client is there or has given up; the figures say which.
            drop(arrived.await);
        }
    }

    async fn visits(&mut self, first: u32, count: u32, every_ms: u64, stay_ms: u64) {
        let mut visits = JoinSet::new();
        for number in first..first.saturating_add(count) {
            let (server, figures) = (self.server.clone(), self.figures.clone());
            visits.spawn(async move {
                if let Err(refused) = visit(&server, number, stay_ms, &figures).await {
                    figures.failed(&format!("a visit: {}", refused.why));
                }
            });
            sleep(Duration::from_millis(every_ms)).await;
        }
        visits.join_all().await;
    }

    async fn doze(&mut self, first: u32, groups: usize) -> Result<(), Refused> {
        let Server::Manyhands(server) = &*self.server else { return Ok(()) };
        let mut client =
            server.busy_client(first, groups, &self.figures).map_err(|error| setup(&error))?;
        let token = client.token().await?.ok_or_else(|| "without a session".to_owned())?;
        let mut stream = client.route().dial(Some(DOZER_BUFFER_BYTES)).await?;
        let request = format!(
            "GET /v1/events HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n",
            client.route().host
        );
        let sent = async {
            stream.write_all(request.as_bytes()).await?;
            stream.flush().await
        };
        sent.await.map_err(|error| Refused::from(error.kind().to_string()))?;
        self.dozer = Some(stream);
        Ok(())
    }

    async fn wake(&mut self) -> Option<Dozed> {
        let mut stream = self.dozer.take()?;
        let (mut bytes, mut buffer) = (0, vec![0; 16 << 10]);
        loop {
            match timeout(QUIET, stream.read(&mut buffer)).await {
                Err(_) => return Some(Dozed { bytes, cut: false }),
                Ok(Ok(0) | Err(_)) => return Some(Dozed { bytes, cut: true }),
                Ok(Ok(read)) => bytes += read as u64,
            }
        }
    }
}

/// Comes online, after some tries if need be; with it, when the server wants to hear of it again.
async fn join(
    server: &Server,
    number: u32,
    streams: bool,
    figures: &Arc<Figures>,
) -> Option<(Client, Duration)> {
    let mut client = match server.client(number, figures) {
        Ok(client) => client,
        Err(error) => {
            figures.failed(&format!("{error:#}"));
            return None;
        }
    };
    let began = Instant::now();
    for _ in 0..TRIES {
        match client.work(Work::Announce, figures).await {
            Ok(next) => {
                if streams {
                    client.watch(figures).await;
                }
                figures.done(began.elapsed());
                figures.arrived(now_ms());
                return Some((client, next));
            }
            Err(refused) => {
                figures.failed(&refused.why);
                sleep(refused.retry_after.unwrap_or(TRY_AGAIN)).await;
            }
        }
    }
    figures.failed("given up");
    None
}

async fn live(
    mut client: Client,
    group: u32,
    first: Duration,
    mut pace: watch::Receiver<Pace>,
    figures: &Arc<Figures>,
) {
    let mut due = Instant::now() + first;
    loop {
        let hurry = pace.borrow_and_update().hurry.clone();
        let mine = hurry.filter(|hurry| hurry.groups.is_empty() || hurry.groups.contains(&group));
        let ended = match mine {
            None => tokio::select! {
                changed = pace.changed() => changed.is_err(),
                () = sleep_until(due) => {
                    due = Instant::now() + client.timed(Work::Announce, figures).await;
                    false
                }
            },
            Some(hurry) => {
                due = hurried(&mut client, &hurry, due, &mut pace, figures).await;
                pace.has_changed().is_err()
            }
        };
        if ended {
            return;
        }
    }
}

/// Works at the pace until it changes; returns when the server wants to hear of the client again.
async fn hurried(
    client: &mut Client,
    hurry: &Hurry,
    mut due: Instant,
    pace: &mut watch::Receiver<Pace>,
    figures: &Arc<Figures>,
) -> Instant {
    // Everybody begins at a moment of its own.
    let mut tick = Instant::now() + hurry.every.mul_f64(rand::rng().random_range(0.0..1.0));
    loop {
        tokio::select! {
            _ = pace.changed() => {
                pace.mark_changed();
                return due;
            }
            () = sleep_until(tick) => {
                if hurry.fresh {
                    client.connection().close();
                }
                let next = client.timed(hurry.what, figures).await;
                if hurry.what != Work::LookUp {
                    due = Instant::now() + next;
                }
                tick = Instant::now().max(tick + hurry.every);
            }
        }
    }
}

async fn visit(
    server: &Server,
    number: u32,
    stay_ms: u64,
    figures: &Arc<Figures>,
) -> Result<(), Refused> {
    let Server::Manyhands(server) = server else { return Ok(()) };
    let began = Instant::now();
    let mut client = server.client(number, figures).map_err(|error| setup(&error))?;
    client.be_visitor();
    client.announce(false).await?;
    figures.done(began.elapsed());
    sleep(Duration::from_millis(stay_ms)).await;
    client.leave().await
}

fn setup(error: &anyhow::Error) -> Refused {
    format!("{error:#}").into()
}

impl Server {
    fn client(&self, number: u32, figures: &Arc<Figures>) -> anyhow::Result<Client> {
        Ok(match self {
            Self::Manyhands(server) => Client::Manyhands(Box::new(server.client(number, figures)?)),
            Self::Syncthing(server) => Client::Syncthing(server.client(number, figures)?),
        })
    }

    fn group_of(&self, number: u32) -> u32 {
        match self {
            Self::Manyhands(server) => server.group_of(number),
            Self::Syncthing(server) => server.group_of(number),
        }
    }
}

impl Client {
    /// Does it and counts it; when the server wants to hear of the client again.
    async fn timed(&mut self, what: Work, figures: &Arc<Figures>) -> Duration {
        let began = Instant::now();
        match self.work(what, figures).await {
            Ok(next) => {
                figures.done(began.elapsed());
                next
            }
            Err(refused) => {
                figures.failed(&refused.why);
                refused.retry_after.unwrap_or(TRY_AGAIN)
            }
        }
    }

    async fn work(&mut self, what: Work, figures: &Arc<Figures>) -> Result<Duration, Refused> {
        match (what, self) {
            (Work::Announce, Self::Manyhands(client)) => client.announce(false).await,
            (Work::Move, Self::Manyhands(client)) => client.announce(true).await,
            (Work::Announce | Work::Move, Self::Syncthing(client)) => client.announce().await,
            (Work::LookUp, client) => {
                let found = match client {
                    Self::Manyhands(client) => client.look_up().await?,
                    Self::Syncthing(client) => client.look_up().await?,
                };
                figures.entries(found);
                Ok(Duration::ZERO)
            }
        }
    }

    fn connection(&mut self) -> &mut Connection {
        match self {
            Self::Manyhands(client) => client.connection(),
            Self::Syncthing(client) => client.connection(),
        }
    }

    /// Opens its stream, and returns when that has said who is there.
    async fn watch(&mut self, figures: &Arc<Figures>) {
        let Self::Manyhands(client) = self else { return };
        let (told, ready) = oneshot::channel();
        let line = client.connection().take();
        tokio::spawn(stream::watch(client.route().clone(), line, client.tokens(), told));
        if timeout(READY, ready).await.is_err() {
            figures.failed("a stream that is never ready");
        }
    }
}
