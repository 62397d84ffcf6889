//! `get`: download files and wait for them, here or through the instance that runs on the profile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use manyhands_engine::view::RowState;
use manyhands_engine::{
    Config, Engine, Followed, NewDownload, OpenError, Remote, check_url, default_data_dir, follow,
};
use tokio::sync::mpsc;

use crate::arguments::{Get, Global};
use crate::output::{Line, Output};
use crate::{DONE, FAILED, INTERRUPTED, TERMINATED, USAGE};

/// News that wait for the printer.
const MAX_WAITING_NEWS: usize = 16;

/// Instances that may end one after the other while they work for us.
const MAX_INSTANCES: usize = 5;

/// Where the work is done.
enum Instance<'a> {
    Here(&'a Engine),
    Running(Remote),
}

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
    let mut engine = None;
    let mut code = tokio::select! {
        biased;
        code = &mut ended => code,
        code = work(data_dir, wanted, &output, &mut engine) => code,
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
    data_dir: PathBuf,
    mut wanted: Vec<NewDownload>,
    output: &Output,
    here: &mut Option<Engine>,
) -> u8 {
    let mut failed = false;
    for _ in 0..MAX_INSTANCES {
        let instance = match Engine::open(Config { data_dir: data_dir.clone() }).await {
            Ok(engine) => {
                if let Some(recovered) = engine.recovered() {
                    eprintln!("manyhands-cli: {recovered}");
                }
                Instance::Here(here.insert(engine))
            }
            Err(OpenError::InUse { .. }) => Instance::Running(Remote::of(&data_dir)),
            Err(error) => {
                eprintln!("manyhands-cli: {error}");
                return FAILED;
            }
        };
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
            let (mut over, mut known) = (BTreeSet::new(), BTreeMap::new());
            while let Some(news) = told.recv().await {
                if let Followed::Row { index, row } = &news {
                    known.insert(*index, row.id);
                }
                if news.is_last() {
                    over.insert(news.index());
                }
                failed |= print(output, &wanted, news).await;
            }
            (over, known)
        };
        let (followed, (over, known)) = tokio::join!(following, printing);
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

/// Waits for Ctrl-C or a polite kill; the exit code that goes with it.
async fn ended_by_signal() -> u8 {
    #[cfg(unix)]
    if let Ok(mut terminate) =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        return tokio::select! {
            _ = tokio::signal::ctrl_c() => INTERRUPTED,
            _ = terminate.recv() => TERMINATED,
        };
    }
    let _ = tokio::signal::ctrl_c().await;
    INTERRUPTED
}

/// Checks all that can be checked before anything begins.
fn prepare(global: &Global, get: &Get) -> Result<(PathBuf, Vec<NewDownload>), String> {
    if get.urls.len() > 1 && (get.out.is_some() || get.sha256.is_some()) {
        return Err("--out and --sha256 go with a single link".into());
    }
    for url in &get.urls {
        check_url(url).map_err(|failure| format!("{url}: {failure} {}", failure.code.hint()))?;
    }
    let data_dir = global.data_dir.clone().or_else(default_data_dir);
    let data_dir = data_dir.ok_or("there is no home folder: name a profile with --data-dir")?;
    let dir = get.dir.clone().unwrap_or_default();
    let dir = std::path::absolute(if dir.as_os_str().is_empty() { ".".into() } else { dir })
        .map_err(|error| format!("the current folder cannot be found: {error}"))?;
    let wanted = get.urls.iter().map(|url| NewDownload {
        url: url.clone(),
        dir: Some(dir.clone()),
        out: get.out.clone(),
        sha256: get.sha256.map(|digest| digest.to_string()),
        connections: get.connections,
        known_as: None,
    });
    Ok((data_dir, wanted.collect()))
}

/// Prints news; whether a download failed with it.
async fn print(output: &Output, wanted: &[NewDownload], news: Followed) -> bool {
    let url = |index: usize| wanted.get(index).map(|new| new.url.clone()).unwrap_or_default();
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
