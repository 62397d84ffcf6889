//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use manyhands_engine::{MAX_CONNECTIONS, Sha256Digest};

/// Manyhands without a window: downloads files, alone or together with friends on the same network.
#[derive(Debug, Parser)]
#[command(name = "manyhands-cli", version, arg_required_else_help = true)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
pub struct Global {
    /// The profile: queue, piece maps, keys. Default: that of the desktop program
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// What to log on standard error: error, warn, info, debug, or a filter such as manyhands_origin=debug
    #[arg(long, value_name = "LEVEL", global = true, default_value = "warn")]
    pub log: String,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Download files and wait until they are there
    Get(Get),
}

#[derive(Debug, Args)]
pub struct Get {
    /// Links that begin with http, https or ftp
    #[arg(required = true, value_name = "URL")]
    pub urls: Vec<String>,
    /// Where to; made when missing. Default: the current folder
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The file's name, for a single link. Default: the server's or the link's
    #[arg(long, value_name = "NAME")]
    pub out: Option<String>,
    /// The SHA-256 that the file must have, for a single link
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<Sha256Digest>,
    /// Connections to the server at most; as many are opened as pay. Default: 8
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_CONNECTIONS)))]
    pub connections: Option<u8>,
    /// Tell progress and results on standard output, a JSON object a line
    #[arg(long)]
    pub json: bool,
}
