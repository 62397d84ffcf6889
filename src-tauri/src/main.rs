// A second, empty console window on Windows would be a surprise.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use manyhands_app::Start;
use tracing_subscriber::EnvFilter;

/// The download manager in which friends on one network fetch a file together.
#[derive(Parser)]
#[command(name = "manyhands", version)]
struct Arguments {
    /// The profile: queue, piece maps, keys. Default: the user's
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// What to log on standard error: error, warn, info, debug, or a filter such as manyhands_origin=debug
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: String,
    /// Use rendezvous servers at http:// too, which is not encrypted
    #[arg(long)]
    insecure_http: bool,
    /// An invite to a group, manyhands://join?…, or a link to download: the window asks what is to become of it
    #[arg(value_name = "LINK")]
    link: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match start(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("manyhands: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_new(&arguments.log).context("--log makes no sense")?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let data_dir = match &arguments.data_dir {
        Some(dir) => std::path::absolute(dir).context("--data-dir makes no sense")?,
        None => manyhands_engine::default_data_dir()
            .context("this user has no home folder; say where the profile is: --data-dir")?,
    };
    let start =
        Start { data_dir, insecure_http: arguments.insecure_http, link: arguments.link.clone() };
    manyhands_app::run(start)
}
