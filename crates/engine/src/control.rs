//! The local socket of a running instance, `control.sock` in its profile: through it the command line and a second start of
//! the desktop program hand their work over.
//!
//! A connection carries one request, a line of JSON, and its answers, a line each. Only the user who runs the instance can
//! reach the socket: the profile's folder has mode 0700.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::{Failure, GroupId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};

use crate::engine::{NewDownload, OpenError, WeakEngine};
use crate::follow::{Followed, follow};
use crate::profile::Change;
use crate::view::{
    Decision, InviteView, Lookout, PairingRow, PairingState, PeerRow, RequestRow, Terms,
};

/// A request with many links is some kilobytes.
const MAX_REQUEST_BYTES: u64 = 4 << 20;
/// The longest wait that is granted before an answer.
const MAX_WAIT_S: u64 = 3600;
/// News that wait for a slow reader; the sender waits then, nothing else does.
const MAX_WAITING_NEWS: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
enum Request {
    /// Add these and tell how they stand.
    Get { wanted: Vec<NewDownload> },
    /// Who is there, after so many seconds.
    Peers { wait_s: u64 },
    /// The help requests that wait for the user.
    Requests,
    /// The user's answer to one.
    Decide { id: String, decision: Decision },
    /// On what terms it helps.
    Terms,
    /// A decision about others, or about hosts.
    Change { change: Change },
    /// How others are found.
    Lookout,
    /// What to hand out for a group.
    Invite { group: GroupId },
    /// Begin to pair with somebody.
    Pair { who: String },
    /// What is being paired.
    Pairings,
    /// The user's word on one.
    AnswerPairing { id: String, same: bool },
    /// How one goes on.
    PairingAfter { id: String, seen: PairingState },
    /// A second start: show the window, and take the link that it was started with.
    Raise {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<String>,
    },
}

/// What a second start of the desktop program has asked for last.
#[derive(Clone, Default)]
pub struct Raised {
    /// What it was started with: an invite, or a link to download.
    pub link: Option<String>,
}

impl std::fmt::Debug for Raised {
    /// Never the link: an invite is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Raised").finish_non_exhaustive()
    }
}

/// Takes the socket away and ends its task when dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    task: tokio::task::JoinHandle<()>,
    path: PathBuf,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Where the socket of a profile is.
fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// The path to bind or connect. The system takes 107 bytes; a longer one is reached through its open folder, which must be
/// kept as long as the path is used.
fn usable(path: &Path) -> std::io::Result<(PathBuf, Option<std::fs::File>)> {
    const LONGEST: usize = 100;
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    if path.as_os_str().len() <= LONGEST {
        return Ok((path.to_owned(), None));
    }
    let dir = std::fs::File::open(dir)?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&dir);
    Ok((Path::new(&format!("/proc/self/fd/{fd}")).join(name), Some(dir)))
}

/// Whether an instance listens on the profile's socket. Blocks for a moment at most.
pub(crate) fn answers(data_dir: &Path) -> bool {
    usable(&socket_path(data_dir))
        .and_then(|(path, _dir)| std::os::unix::net::UnixStream::connect(path))
        .is_ok()
}

/// Listens on the profile's socket. Call with the profile's lock held: a socket that is there is a dead one's.
pub(crate) fn listen(
    data_dir: &Path,
    engine: WeakEngine,
    raised: Arc<watch::Sender<Raised>>,
) -> Result<Listening, OpenError> {
    let path = socket_path(data_dir);
    let _ = std::fs::remove_file(&path);
    let bound = usable(&path).and_then(|(usable, _dir)| UnixListener::bind(usable));
    let listener = bound.map_err(|error| OpenError::Profile {
        data_dir: data_dir.to_owned(),
        cause: format!("its socket cannot be made: {error}"),
    })?;
    let task = tokio::spawn(async move {
        // Connections end with the instance: each holds the engine only while it works.
        let mut open = tokio::task::JoinSet::new();
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a local connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            while open.try_join_next().is_some() {}
            let (engine, raised) = (engine.clone(), Arc::clone(&raised));
            open.spawn(async move {
                if let Err(error) = serve(stream, &engine, &raised).await {
                    tracing::debug!(%error, "a local connection ended early");
                }
            });
        }
    });
    Ok(Listening { task, path })
}

async fn serve(
    stream: UnixStream,
    engine: &WeakEngine,
    raised: &watch::Sender<Raised>,
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(MAX_REQUEST_BYTES));
    read.read_line(&mut line).await?;
    let request: Request = serde_json::from_str(&line)?;
    let Some(engine) = engine.upgrade() else { return Ok(()) };
    match request {
        Request::Peers { wait_s } => {
            tokio::time::sleep(Duration::from_secs(wait_s.min(MAX_WAIT_S))).await;
            answer(&mut write, &engine.peers().await.unwrap_or_default()).await
        }
        Request::Requests => answer(&mut write, &engine.requests().await.unwrap_or_default()).await,
        Request::Decide { id, decision } => {
            answer(&mut write, &engine.decide(&id, decision).await.unwrap_or(false)).await
        }
        Request::Terms => answer(&mut write, &engine.terms().await).await,
        Request::Change { change } => answer(&mut write, &engine.change(change).await).await,
        Request::Lookout => answer(&mut write, &engine.lookout().await).await,
        Request::Invite { group } => answer(&mut write, &engine.invite(group).await).await,
        Request::Pair { who } => answer(&mut write, &engine.pair(&who).await).await,
        Request::Pairings => answer(&mut write, &engine.pairings().await.unwrap_or_default()).await,
        Request::AnswerPairing { id, same } => {
            answer(&mut write, &engine.answer_pairing(&id, same).await.unwrap_or(false)).await
        }
        Request::PairingAfter { id, seen } => {
            answer(&mut write, &engine.pairing_after(&id, seen).await).await
        }
        Request::Raise { link } => {
            raised.send_replace(Raised { link });
            answer(&mut write, &(raised.receiver_count() > 0)).await
        }
        Request::Get { wanted } => {
            let (news, mut told) = mpsc::channel(MAX_WAITING_NEWS);
            let following = follow(&engine, &wanted, news);
            // Takes the news with it: when nobody reads any more, following ends too.
            let writing = async move {
                while let Some(news) = told.recv().await {
                    let mut line = serde_json::to_vec(&news)?;
                    line.push(b'\n');
                    write.write_all(&line).await?;
                }
                Ok(())
            };
            tokio::join!(following, writing).1
        }
    }
}

async fn answer(write: &mut OwnedWriteHalf, answer: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    write.write_all(&line).await
}

/// A running instance, seen from another process of the same user.
#[derive(Debug)]
pub struct Remote {
    data_dir: PathBuf,
}

/// The running instance cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("the running instance does not answer: {0}")]
pub struct ControlError(#[from] std::io::Error);

impl Remote {
    /// The instance that runs on this profile.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned() }
    }

    /// Hands downloads over and follows them, as [`follow`] does in this process.
    ///
    /// # Errors
    /// The instance is not there, or ends before the downloads do.
    pub async fn follow(
        &self,
        wanted: Vec<NewDownload>,
        news: mpsc::Sender<Followed>,
    ) -> Result<(), ControlError> {
        let mut open = wanted.len();
        let mut answers = self.ask(&Request::Get { wanted }).await?;
        let mut line = String::new();
        loop {
            line.clear();
            if answers.read_line(&mut line).await? == 0 {
                let cut = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                return if open == 0 { Ok(()) } else { Err(cut.into()) };
            }
            let told: Followed = serde_json::from_str(&line).map_err(std::io::Error::from)?;
            if told.is_last() {
                open = open.saturating_sub(1);
            }
            if news.send(told).await.is_err() {
                return Ok(());
            }
        }
    }

    /// The peers that it knows, after so many seconds.
    ///
    /// # Errors
    /// It is not there.
    pub async fn peers(&self, wait_s: u64) -> Result<Vec<PeerRow>, ControlError> {
        self.ask_once(&Request::Peers { wait_s }).await
    }

    /// The help requests that wait for its user.
    ///
    /// # Errors
    /// It is not there.
    pub async fn requests(&self) -> Result<Vec<RequestRow>, ControlError> {
        self.ask_once(&Request::Requests).await
    }

    /// Answers a help request; whether there was such a one.
    ///
    /// # Errors
    /// It is not there.
    pub async fn decide(&self, id: &str, decision: Decision) -> Result<bool, ControlError> {
        self.ask_once(&Request::Decide { id: id.to_owned(), decision }).await
    }

    /// On what terms it helps, and whom.
    ///
    /// # Errors
    /// It is not there.
    pub async fn terms(&self) -> Result<Result<Terms, Failure>, ControlError> {
        self.ask_once(&Request::Terms).await
    }

    /// Has it carry out a decision; whether anything is otherwise than before.
    ///
    /// # Errors
    /// It is not there.
    pub async fn change(&self, change: Change) -> Result<Result<bool, Failure>, ControlError> {
        self.ask_once(&Request::Change { change }).await
    }

    /// How it finds others, and its groups.
    ///
    /// # Errors
    /// It is not there.
    pub async fn lookout(&self) -> Result<Result<Lookout, Failure>, ControlError> {
        self.ask_once(&Request::Lookout).await
    }

    /// What to hand out for a group.
    ///
    /// # Errors
    /// It is not there; inside, it is in no such group.
    pub async fn invite(
        &self,
        group: GroupId,
    ) -> Result<Result<InviteView, Failure>, ControlError> {
        self.ask_once(&Request::Invite { group }).await
    }

    /// Begins to pair, as [`Engine::pair`](crate::Engine::pair).
    ///
    /// # Errors
    /// It is not there; inside, why nobody can be paired with.
    pub async fn pair(&self, who: &str) -> Result<Result<String, Failure>, ControlError> {
        self.ask_once(&Request::Pair { who: who.to_owned() }).await
    }

    /// What is being paired.
    ///
    /// # Errors
    /// It is not there.
    pub async fn pairings(&self) -> Result<Vec<PairingRow>, ControlError> {
        self.ask_once(&Request::Pairings).await
    }

    /// The user's word on a pairing; whether it was possible.
    ///
    /// # Errors
    /// It is not there.
    pub async fn answer_pairing(&self, id: &str, same: bool) -> Result<bool, ControlError> {
        self.ask_once(&Request::AnswerPairing { id: id.to_owned(), same }).await
    }

    /// How a pairing goes on, as [`Engine::pairing_after`](crate::Engine::pairing_after).
    ///
    /// # Errors
    /// It is not there, or ends.
    pub async fn pairing_after(
        &self,
        id: &str,
        seen: PairingState,
    ) -> Result<Result<Option<PairingRow>, Failure>, ControlError> {
        self.ask_once(&Request::PairingAfter { id: id.to_owned(), seen }).await
    }

    async fn ask_once<T: DeserializeOwned>(&self, request: &Request) -> Result<T, ControlError> {
        let mut answer = String::new();
        self.ask(request).await?.read_line(&mut answer).await?;
        Ok(serde_json::from_str(&answer).map_err(std::io::Error::from)?)
    }

    /// Asks it to show its window, and in it what is to become of a link. `false`: it has none, as the command line.
    ///
    /// # Errors
    /// It is not there.
    pub async fn raise(&self, link: Option<String>) -> Result<bool, ControlError> {
        self.ask_once(&Request::Raise { link }).await
    }

    async fn ask(
        &self,
        request: &Request,
    ) -> Result<BufReader<tokio::net::unix::OwnedReadHalf>, ControlError> {
        let (path, _dir) = usable(&socket_path(&self.data_dir))?;
        let (read, mut write) = UnixStream::connect(path).await?.into_split();
        let mut line = serde_json::to_vec(request).map_err(std::io::Error::from)?;
        line.push(b'\n');
        write.write_all(&line).await?;
        // The other half stays open without this one: the instance reads one line and no more.
        write.forget();
        Ok(BufReader::new(read))
    }
}
