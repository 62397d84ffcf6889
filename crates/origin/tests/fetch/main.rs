//! Fetching from real servers: the misbehaving one over TCP and behind TLS, nginx, vsftpd.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod common;
mod framing;
mod ftp;
mod guard;
mod nginx;
mod ranges;
mod redirects;
mod tls;
mod trouble;
mod tunnels;
