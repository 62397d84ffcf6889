//! `manyhands-rendezvous`: the server of the second mode of working. `docs/rendezvous.md` is for the person who runs it.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{Arg, ArgAction, ArgMatches, Command};
use manyhands_rendezvous::{Config, SETTINGS, Server, Setting, read_settings};
use tracing::{info, warn};

/// Something is wrong with the machine or what it is asked to do.
const FAILED: u8 = 1;
/// The settings make no sense; what clap uses, too.
const USAGE: u8 = 2;
/// Files that are open beside connections.
const OTHER_FILES: u64 = 64;

fn main() -> ExitCode {
    let config = match read_config(&command().get_matches()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("manyhands-rendezvous: {error:#}");
            return USAGE.into();
        }
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(log_filter(&config.log))
        .init();
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("manyhands-rendezvous: {error:#}");
            FAILED.into()
        }
    }
}

/// A bare level is meant for our own parts; those of others speak up when something is wrong.
fn log_filter(level: &str) -> tracing_subscriber::EnvFilter {
    let others = if level.contains(['=', ',']) { "" } else { ",hyper=warn,rustls=warn,mio=warn" };
    tracing_subscriber::EnvFilter::new(format!("{level}{others}"))
}

fn run(mut config: Config) -> anyhow::Result<()> {
    fit_to_files(&mut config);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start")?.block_on(async {
        let mut signals = Signals::new()?;
        let server = Server::start(config).await?;
        introduce(&server).context("cannot write to standard output")?;
        while signals.next().await == Wish::Reload {
            match server.reload_certificate() {
                Ok(()) => info!("read the certificate anew"),
                Err(error) => warn!(%error, "the certificate stays the one before"),
            }
        }
        server.shutdown().await;
        Ok(())
    })
}

/// What the person who runs it hands out, one word and one value in a line.
fn introduce(server: &Server) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "address {}", server.public_url())?;
    let id = server.id().to_string();
    writeln!(out, "id {id}")?;
    // As the window shows it, to be compared by eye.
    let fours: Vec<_> = id.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    writeln!(out, "compare {}", fours.join(" "))?;
    writeln!(out, "listening {}", server.local_addr())?;
    if let Some(metrics) = server.metrics_addr() {
        writeln!(out, "metrics http://{metrics}/metrics")?;
    }
    out.flush()
}

fn command() -> Command {
    let argument = |setting: &Setting| {
        let argument = Arg::new(setting.name).long(setting.flag()).action(ArgAction::Set);
        let argument = match setting.unit {
            "true or false" => argument.num_args(0..=1).default_missing_value("true"),
            _ => argument,
        };
        let default = match setting.default {
            "" => String::new(),
            default => format!(" [default: {default}]"),
        };
        let environment = setting.environment_name();
        argument
            .value_name(setting.unit)
            .help(format!("{}{default} [env: {environment}]", setting.about.replace('`', "")))
    };
    Command::new("manyhands-rendezvous")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Who is online in a group, for members who cannot find one another")
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .help("a file with settings (TOML) [env: MANYHANDS_RENDEZVOUS_CONFIG]"),
        )
        .args(SETTINGS.iter().map(argument))
}

fn read_config(matches: &ArgMatches) -> anyhow::Result<Config> {
    let mut flags = BTreeMap::new();
    for setting in SETTINGS {
        if let Some(text) = matches.get_one::<String>(setting.name) {
            flags.insert(setting.name, text.clone());
        }
    }
    let environment = || {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
    };
    let named = environment().find(|(name, _)| name == "MANYHANDS_RENDEZVOUS_CONFIG");
    let path = matches.get_one::<String>("config").cloned().or(named.map(|(_, path)| path));
    let file = path.map(|path| read_file(Path::new(&path))).transpose()?;
    read_settings(file.as_deref(), environment(), &flags).map_err(|error| anyhow!(error))
}

fn read_file(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("the settings in {} cannot be read", path.display()))
}

/// Each connection is a file to the system: as many as it allows are asked for, and no more connections taken than fit.
#[cfg_attr(not(unix), allow(unused_variables))]
fn fit_to_files(config: &mut Config) {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let room = u32::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(u32::MAX).max(1);
        let limits = &mut config.limits;
        if limits.max_connections > room {
            info!(max_connections = room, "as many as the system allows files; see LimitNOFILE");
            limits.max_connections = room;
        }
        // Nine tenths: those of another address find a place.
        let most = (limits.max_connections - limits.max_connections / 10).max(1);
        limits.max_connections_per_address = limits.max_connections_per_address.min(most);
    }
}

/// What the outside world wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    End,
    Reload,
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::End,
            _ = tokio::signal::ctrl_c() => Wish::End,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Wish {
        let _ = tokio::signal::ctrl_c().await;
        Wish::End
    }
}
