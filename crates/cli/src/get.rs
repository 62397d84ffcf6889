//! `get`: download files and wait for them, here or through the instance that runs on the profile.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use manyhands_engine::view::{HelpState, RowState};
use manyhands_engine::{
    Ask, AskFor, Engine, Followed, ModeWish, NetworkConfig, NewDownload, check_header, check_url,
    follow,
};
use tokio::sync::mpsc;

use crate::arguments::{Get, Global, Mode};
use crate::instance::{Instance, data_dir, ended_by_signal, network};
use crate::lookout::notes;
use crate::output::{Line, Output};
use crate::peers::complain;
use crate::place::Problem;
use crate::{DONE, FAILED, USAGE};

/// News that wait for the printer.
const MAX_WAITING_NEWS: usize = 16;

/// Where nobody was found to be asked, it is said after so many seconds why that may be.
const FOUND_BY_S: u64 = 6;

/// Instances that may end one after the other while they work for us.
const MAX_INSTANCES: usize = 5;

pub async fn run(global: &Global, get: Get) -> u8 {
    let (data_dir, wanted) = match prepare(global, &get) {
        Ok(prepared) => prepared,
        Err(problem) => {
            eprintln!("manyhands-cli: {problem}");
            return USAGE;
        }
    };
    let output = Output::start(get.json);
    let ended = async {
        let code = ended_by_signal().await;
        eprintln!("manyhands-cli: interrupted; the same command goes on from here");
        code
    };
    tokio::pin!(ended);
    let network = (get.ask != Ask::None).then(|| network(global));
    let look_for_s = (get.ask != Ask::None).then_some(get.ask_wait.min(FOUND_BY_S));
    let mut engine = None;
    let mut code = tokio::select! {
        biased;
        code = &mut ended => code,
        code = work(global, data_dir, network, wanted, look_for_s, &output, &mut engine) => code,
    };
    if let Some(engine) = &engine {
        engine.shutdown().await;
    }
    if code == DONE || code == FAILED {
        // Whoever reads the output may not do so: a signal ends that, too.
        tokio::select! {
            () = output.finish() => {}
            signal = &mut ended => code = signal,
        }
    }
    code
}

/// Gets everything, here or through the instance that runs on the profile. When that one ends before, its place is taken.
async fn work(
    global: &Global,
    data_dir: PathBuf,
    network: Option<NetworkConfig>,
    mut wanted: Vec<NewDownload>,
    look_for_s: Option<u64>,
    output: &Output,
    here: &mut Option<Engine>,
) -> u8 {
    let mut failed = false;
    let (asked, mut noted) = (Cell::new(false), false);
    for _ in 0..MAX_INSTANCES {
        let instance = match Instance::open(data_dir.clone(), network.clone()).await {
            Ok(instance) => instance,
            Err(error) => {
                eprintln!("manyhands-cli: {error}");
                return FAILED;
            }
        };
        if let Instance::Here(engine) = &instance {
            *here = Some(engine.clone());
        }
        // Without a network of its own it has joined before.
        if network.is_some()
            && let Err(problem) = instance.join(global).await
        {
            return complain(&problem.text, problem.code);
        }
        let (news, mut told) = mpsc::channel(MAX_WAITING_NEWS);
        let following = async {
            match &instance {
                Instance::Here(engine) => {
                    follow(engine, &wanted, news).await;
                    Ok(())
                }
                Instance::Running(remote) => remote.follow(wanted.clone(), news).await,
            }
        };
        let printing = async {
            let (mut over, mut known, mut helpers) =
                (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
            while let Some(news) = told.recv().await {
                if let Followed::Row { index, row } = &news {
                    known.insert(*index, row.id);
                }
                if news.is_last() {
                    over.insert(news.index());
                }
                for line in help_lines(&news, &mut helpers) {
                    asked.set(true);
                    output.print(line).await;
                }
                failed |= print(output, &wanted, news).await;
            }
            (over, known)
        };
        let noting = async {
            if let Some(seconds) = look_for_s.filter(|_| !noted) {
                note_if_alone(&instance, seconds, &asked).await;
                noted = true;
            }
            std::future::pending::<Infallible>().await
        };
        let (followed, (over, known)) = tokio::select! {
            done = async { tokio::join!(following, printing) } => done,
            never = noting => match never {},
        };
        for (index, id) in known {
            if let Some(new) = wanted.get_mut(index) {
                new.known_as = Some(id);
            }
        }
        let mut index = 0..;
        wanted.retain(|_| index.next().is_none_or(|index| !over.contains(&index)));
        if wanted.is_empty() {
            return if failed { FAILED } else { DONE };
        }
        match (instance, followed) {
            (Instance::Running(_), Err(error)) => {
                tracing::info!(%error, "the running instance ended: going on without it");
            }
            _ => break,
        }
    }
    eprintln!("manyhands-cli: what works on the downloads ended before they did");
    FAILED
}

/// Says why nobody was asked, where nobody was found.
async fn note_if_alone(instance: &Instance, seconds: u64, asked: &Cell<bool>) {
    let looked = async {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        Ok::<_, Problem>((instance.peers(0).await?, instance.lookout().await?))
    };
    let Ok((peers, lookout)) = looked.await else { return };
    if !asked.get() && !peers.iter().any(|peer| peer.online) {
        for note in notes(&lookout, &peers) {
            eprintln!("manyhands-cli: {note}");
        }
    }
}

/// Checks all that can be checked before anything begins.
fn prepare(global: &Global, get: &Get) -> Result<(PathBuf, Vec<NewDownload>), String> {
    if get.urls.len() > 1 && (get.out.is_some() || get.sha256.is_some()) {
        return Err("--out and --sha256 go with a single link".into());
    }
    for url in &get.urls {
        check_url(url).map_err(|failure| format!("{url}: {failure} {}", failure.code.hint()))?;
    }
    for header in &get.headers {
        check_header(header).map_err(|failure| failure.to_string())?;
    }
    let data_dir = data_dir(global)?;
    let dir = get.dir.clone().unwrap_or_default();
    let dir = std::path::absolute(if dir.as_os_str().is_empty() { ".".into() } else { dir })
        .map_err(|error| format!("the current folder cannot be found: {error}"))?;
    let wanted = get.urls.iter().map(|url| NewDownload {
        url: url.clone(),
        dir: Some(dir.clone()),
        out: get.out.clone(),
        sha256: get.sha256.map(|digest| digest.to_string()),
        connections: get.connections,
        headers: get.headers.clone(),
        ask: (get.ask != Ask::None).then(|| AskFor {
            who: get.ask.clone(),
            wait_s: get.ask_wait,
            mode: Some(match get.mode {
                Mode::Auto => ModeWish::Auto,
                Mode::Relay => ModeWish::Relay,
                Mode::Fetch => ModeWish::Fetch,
            }),
            unverified: Some(get.unverified),
        }),
        known_as: None,
    });
    Ok((data_dir, wanted.collect()))
}

/// What has changed with the helpers of a download, by download and peer.
fn help_lines(news: &Followed, known: &mut BTreeMap<(usize, String), HelpState>) -> Vec<Line> {
    let Followed::Row { index, row } = news else { return Vec::new() };
    let mut lines = Vec::new();
    for help in &row.help {
        if known.insert((*index, help.peer.clone()), help.state) != Some(help.state) {
            lines.push(Line::Help { help: help.clone() });
        }
    }
    lines
}

/// A link without its user name and password, which belong into no log.
fn shown(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else { return url.to_owned() };
    if parsed.username().is_empty() && parsed.password().is_none() {
        return url.to_owned();
    }
    // Both fail only for links without a host, which have no user either.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    parsed.into()
}

/// Prints news; whether a download failed with it.
async fn print(output: &Output, wanted: &[NewDownload], news: Followed) -> bool {
    let url = |index: usize| wanted.get(index).map(|new| shown(&new.url)).unwrap_or_default();
    let (line, failed) = match news {
        Followed::Row { index, row } => match (row.state, &row.failure) {
            (RowState::Completed, _) => (Line::Completed { row }, false),
            (RowState::Failed, Some(failure)) => {
                (Line::Failed { url: url(index), failure: failure.clone() }, true)
            }
            _ => (Line::Progress { url: url(index), row }, false),
        },
        Followed::Refused { index, failure } => (Line::Failed { url: url(index), failure }, true),
    };
    output.print(line).await;
    failed
}
