//! `get`: download files and wait for them, here or through the instance that runs on the profile.

use std::collections::BTreeMap;
use std::path::PathBuf;

use manyhands_engine::view::{HelpState, RowState};
use manyhands_engine::{Ask, AskFor, Followed, NewDownload, check_url, follow};
use tokio::sync::mpsc;

use crate::arguments::{Get, Global};
use crate::instance::{Instance, data_dir, ended_by_signal, network};
use crate::output::{Line, Output};
use crate::{DONE, FAILED, USAGE};

/// News that wait for the printer.
const MAX_WAITING_NEWS: usize = 16;

pub async fn run(global: &Global, get: Get) -> u8 {
    let (data_dir, wanted) = match prepare(global, &get) {
        Ok(prepared) => prepared,
        Err(problem) => {
            eprintln!("manyhands-cli: {problem}");
            return USAGE;
        }
    };
    let network = (get.ask != Ask::None).then(|| network(global));
    let instance = match Instance::open(data_dir, network).await {
        Ok(instance) => instance,
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
        let (mut failed, mut helpers) = (false, BTreeMap::new());
        while let Some(news) = told.recv().await {
            for line in help_lines(&news, &mut helpers) {
                output.print(line).await;
            }
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

/// Checks all that can be checked before anything begins.
fn prepare(global: &Global, get: &Get) -> Result<(PathBuf, Vec<NewDownload>), String> {
    if get.urls.len() > 1 && (get.out.is_some() || get.sha256.is_some()) {
        return Err("--out and --sha256 go with a single link".into());
    }
    for url in &get.urls {
        check_url(url).map_err(|failure| format!("{failure} {}", failure.code.hint()))?;
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
        ask: (get.ask != Ask::None).then(|| AskFor { who: get.ask.clone(), wait_s: get.ask_wait }),
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
