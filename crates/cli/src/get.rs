//! `get`: download files and wait for them, here or through the instance that runs on the profile.

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

/// Where the work is done.
enum Instance {
    Here(Engine),
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
    let instance = match Engine::open(Config { data_dir: data_dir.clone() }).await {
        Ok(engine) => {
            if let Some(recovered) = engine.recovered() {
                eprintln!("manyhands-cli: {recovered}");
            }
            Instance::Here(engine)
        }
        Err(OpenError::InUse { .. }) => Instance::Running(Remote::of(&data_dir)),
        Err(error) => {
            eprintln!("manyhands-cli: {error}");
            return FAILED;
        }
    };
    let output = Output::start(get.json);
    let (news, mut told) = mpsc::channel(MAX_WAITING_NEWS);
    let urls: Vec<String> = wanted.iter().map(|new| new.url.clone()).collect();
    let following = async {
        match &instance {
            Instance::Here(engine) => {
                follow(engine, &wanted, news).await;
                Ok(())
            }
            Instance::Running(remote) => remote.follow(wanted, news).await,
        }
    };
    let printing = async {
        let mut failed = false;
        while let Some(news) = told.recv().await {
            failed |= print(&output, &urls, news).await;
        }
        failed
    };
    let working = async {
        let (followed, failed) = tokio::join!(following, printing);
        if let Err(error) = &followed {
            eprintln!("manyhands-cli: {error}");
        }
        if failed || followed.is_err() { FAILED } else { DONE }
    };
    let ended = async {
        let code = ended_by_signal().await;
        eprintln!("manyhands-cli: interrupted; the same command goes on from here");
        code
    };
    tokio::pin!(ended);
    let mut code = tokio::select! {
        code = working => code,
        code = &mut ended => code,
    };
    if let Instance::Here(engine) = &instance {
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
        check_url(url).map_err(|failure| format!("{failure} {}", failure.code.hint()))?;
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
    });
    Ok((data_dir, wanted.collect()))
}

/// Prints news; whether a download failed with it.
async fn print(output: &Output, urls: &[String], news: Followed) -> bool {
    let url = |index: usize| urls.get(index).cloned().unwrap_or_default();
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
