//! One process of a crowd: clients of a rendezvous server, or of Syncthing's discovery server.
//!
//! Reads orders from standard input, one JSON object a line, carries each out, and answers with one line on standard
//! output. It ends with its input. `lab/load` starts several of them and puts their answers together.

mod connection;
mod crowd;
mod figures;
mod manyhands;
mod orders;
mod stream;
mod syncthing;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, Subcommand};
use manyhands_wire::Digest;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crowd::{Crowd, Server};

/// Thousands of clients in one process, told what to do on standard input.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Of manyhands-rendezvous.
    Manyhands {
        #[arg(long)]
        server: SocketAddr,
        /// The server's id, which it must prove in every handshake.
        #[arg(long)]
        id: String,
        /// So many groups; client N is in group N modulo this.
        #[arg(long, default_value_t = 50)]
        groups: u32,
        /// What the groups' secrets are made of: the same in all processes of a crowd.
        #[arg(long)]
        seed: String,
    },
    /// Of syncthing-discosrv.
    Syncthing {
        #[arg(long)]
        server: SocketAddr,
        /// The server's certificate (PEM), which it must show in every handshake.
        #[arg(long)]
        certificate: PathBuf,
        /// Clients are told apart by groups for orders; the server knows of none.
        #[arg(long, default_value_t = 50)]
        groups: u32,
    },
}

// One thread: several processes are the way to use more of them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let server = match Arguments::parse().kind {
        Kind::Manyhands { server, id, groups, seed } => {
            let id: Digest = id.parse().context("--id")?;
            Server::Manyhands(manyhands::Server::new(server, id, groups, &seed)?)
        }
        Kind::Syncthing { server, certificate, groups } => {
            let pem = std::fs::read_to_string(&certificate).context("--certificate")?;
            Server::Syncthing(syncthing::Server::new(server, &pem, groups)?)
        }
    };
    let mut crowd = Crowd::new(server);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut output = tokio::io::stdout();
    while let Some(line) = lines.next_line().await? {
        let order = serde_json::from_str(&line).with_context(|| format!("the order {line}"))?;
        let mut answer = serde_json::to_vec(&crowd.carry_out(order).await)?;
        answer.push(b'\n');
        output.write_all(&answer).await?;
        output.flush().await?;
    }
    Ok(())
}
